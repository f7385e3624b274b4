package store

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/internal/store/migrate"
)

func TestADatabaseThatNobodyWritesToIsTriedOftenWithLittleAndSeldomWithMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		little, much := 0, 0
		c := newCondition(slog.New(slog.DiscardHandler))
		c.use("x", trials{
			little: func(context.Context) error { little++; return nil },
			much:   func(context.Context) error { much++; return nil },
		}, quietPause)
		time.Sleep(24*time.Hour + time.Second)
		c.close()
		if little+much != 24*60*2 || much != 24*6 {
			t.Errorf("in a day it wrote little %d times and much %d times", little, much)
		}
	})
}

// opened opens a new database file.
func opened(t *testing.T) (st *Store, wal string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wasup.db")
	st, err := Open(t.Context(), "sqlite:"+path, Options{QuietPause: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, path + "-wal"
}

func TestTheSmallTrialWritesOnePageAndTheLargeOneAMessage(t *testing.T) {
	st, wal := opened(t)
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(wal)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	wrote := func(trial func(context.Context) error) int64 {
		t.Helper()
		before := size()
		if err := trial(t.Context()); err != nil {
			t.Fatal(err)
		}
		return size() - before
	}
	const page = 4096 + 24 // and the header of its frame
	if n := wrote(st.touch); n != page {
		t.Errorf("the small one wrote %d bytes", n)
	}
	if n := wrote(st.tryWrite); n < trialBytes || n > 3*trialBytes {
		t.Errorf("the large one wrote %d bytes", n)
	}
	var left int
	if err := st.write.QueryRow(t.Context(), "SELECT count(*) FROM wasup_trial").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

func TestALongCopyIsNoDatabaseThatHangs(t *testing.T) {
	from, _ := opened(t)
	to, _ := opened(t)
	if _, err := from.Sessions().SetDesired(t.Context(), "51", session.DesiredRun); err != nil {
		t.Fatal(err)
	}
	copied := false
	err := migrate.Run(t.Context(), from.ForMigration(), to.ForMigration(), func(_ string, done, _ int) {
		if done == 0 {
			return
		}
		copied = true
		if !to.condition.wrote.Load() { // a trial write would wait for the end of the copy, and take too long
			t.Error("a batch was written, and a trial write finds out whether the database takes writes")
		}
	})
	if err != nil || !copied {
		t.Errorf("copied %v, %v", copied, err)
	}
}
