package store_test

import (
	"cmp"
	"testing"

	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/store/storetest"
)

func TestPostgresConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store { return openDSN(t, pgtest.DSN(t), store.Options{KeepMedia: true}) })
}

func openDSN(tb testing.TB, dsn string, options store.Options) *store.Store {
	tb.Helper()
	options.BusyTimeout = cmp.Or(options.BusyTimeout, storetest.Patience)
	st, err := store.Open(tb.Context(), dsn, options)
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
