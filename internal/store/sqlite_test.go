package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"wasup/internal/store"
	"wasup/internal/store/storetest"
)

func TestSQLiteConforms(t *testing.T) {
	var seen statements
	open := func(t *testing.T) *store.Store {
		return openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{KeepMedia: true, QuietPause: time.Hour})
	}
	storetest.Run(t, func(t *testing.T) *store.Store { return seen.watch(open(t)) })
	t.Run("no statement reads a whole table", func(t *testing.T) { seen.wantNoScans(t, open(t)) })
}

func openAt(tb testing.TB, path string) *store.Store {
	tb.Helper()
	return openDSN(tb, "sqlite:"+path, store.Options{})
}
