package store_test

import (
	"path/filepath"
	"testing"

	"wasup/store"
	"wasup/store/storetest"
)

func TestSQLiteConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		return openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{KeepMedia: true})
	})
}

func openAt(tb testing.TB, path string) *store.Store {
	tb.Helper()
	st, err := store.Open(tb.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st
}
