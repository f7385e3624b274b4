package store_test

import (
	"path/filepath"
	"testing"

	"wasup/internal/store"
	"wasup/internal/store/storetest"
)

func TestSQLiteConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		return openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{KeepMedia: true})
	})
}

func openAt(tb testing.TB, path string) *store.Store {
	tb.Helper()
	return openDSN(tb, "sqlite:"+path, store.Options{})
}
