package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/testtools/disktest"
)

// wantNoticed fills a disk, and fails the test unless the store notices, without traffic, that it is full and that it is not.
func wantNoticed(t *testing.T, st *store.Store, disk string) {
	t.Helper()
	is := func(want session.Code) func(context.Context) error {
		return func(context.Context) error {
			if err := st.Failing(); session.CodeOf(err) != want {
				return fmt.Errorf("it says %w", err)
			}
			return nil
		}
	}
	empty := disktest.Fill(t, disk)
	eventually(t, "the full disk", is(session.CodeStoreFull))
	empty()
	eventually(t, "the room", is(""))
}

func TestAFullDiskIsNoticedWithoutTraffic(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		disk := disktest.Small(t, "8m")
		wantNoticed(t, openDSN(t, "sqlite:"+filepath.Join(disk, "wasup.db"), store.Options{QuietPause: 10 * time.Millisecond}), disk)
	})
	t.Run("postgres", func(t *testing.T) {
		pgtest.Needed(t)
		disk := disktest.Small(t, "8m")
		cluster := pgtest.New(t)
		cluster.Give(t, disk)
		cluster.Exec(t, "CREATE TABLESPACE small LOCATION '"+disk+"'")
		st := openDSN(t, cluster.Database(t), store.Options{QuietPause: 10 * time.Millisecond})
		if _, err := st.DB().Exec(t.Context(), "ALTER TABLE wasup_trial SET TABLESPACE small"); err != nil {
			t.Fatal(err)
		}
		wantNoticed(t, st, disk)
	})
}
