package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"wasup/internal/store"
	"wasup/internal/store/pgtest"
)

// A statement that runs while its store is being closed must end before Close returns, because Close frees the lock for
// the next process, and a test then removes its directory.
func TestClosingWaitsForTheTransactionThatRuns(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		closingWaits(t, openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{}))
	})
	t.Run("postgres", func(t *testing.T) { closingWaits(t, openDSN(t, pgtest.DSN(t), store.Options{})) })
}

func closingWaits(t *testing.T, st *store.Store) {
	t.Helper()
	tx, err := st.ReadDB().RawDB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }()
	eventually(t, "the end of the pool", func(ctx context.Context) error {
		if st.ReadDB().RawDB.PingContext(ctx) == nil {
			return errors.New("it still takes statements")
		}
		return nil
	})
	select {
	case err := <-closed:
		t.Errorf("closed beside a transaction that runs: %v", err)
		closed <- err
	default:
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for _, pool := range st.Pools() {
		if pool.InUse+pool.Idle > 0 {
			t.Errorf("open connections are left: %+v", pool)
		}
	}
}
