package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/store/storetest"
)

// writeUntilKilled is the child process. Its writers print a line for each write that the store has accepted.
func writeUntilKilled(dsn string) int {
	ctx := context.Background()
	st, err := store.Open(ctx, dsn, store.Options{BusyTimeout: storetest.Patience})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	lines := make(chan string)
	failed := make(chan error)
	for w := range 4 {
		go func() { failed <- acceptForEver(ctx, st, session.ID(fmt.Sprintf("s%d", w)), lines) }()
		go func() { failed <- commitForEver(ctx, st, session.ID(fmt.Sprintf("c%d", w)), lines) }()
	}
	for {
		select {
		case line := <-lines:
			// Write each line in one call. The reader drops an incomplete last line.
			if _, err := os.Stdout.WriteString(line + "\n"); err != nil {
				return 3
			}
		case err := <-failed:
			fmt.Fprintln(os.Stderr, err)
			return 4
		}
	}
}

func acceptForEver(ctx context.Context, st *store.Store, id session.ID, lines chan<- string) error {
	for n := 0; ; n++ {
		key := fmt.Sprintf("%d-%d", os.Getpid(), n) // different in each process, so that no message is written twice
		if _, err := st.Sessions().SetDesired(ctx, id, session.DesiredRun); err != nil {
			return err
		}
		stored, _, err := st.Outbox().Enqueue(ctx, messageOf(id, key), time.Time{})
		if err != nil {
			return err
		}
		lines <- fmt.Sprintf("%s %s %s", id, key, message.Queued)
		if n%2 == 0 {
			continue
		}
		_, err = st.Outbox().Advance(ctx, outbox.Change{
			Session: id, ID: stored.ID, From: []message.State{message.Queued}, To: message.ServerAck, AckedAt: time.Now(),
		})
		if err != nil {
			return err
		}
		lines <- fmt.Sprintf("%s %s %s", id, key, message.ServerAck)
	}
}

// commitForEver enqueues messages through Commit, so that the writers of this kind share transactions.
func commitForEver(ctx context.Context, st *store.Store, id session.ID, lines chan<- string) error {
	for n := 0; ; n++ {
		key := fmt.Sprintf("%d-%d", os.Getpid(), n)
		err := st.Commit(ctx, func(ctx context.Context) error {
			if _, err := st.Sessions().SetDesired(ctx, id, session.DesiredRun); err != nil {
				return err
			}
			_, _, err := st.Outbox().Enqueue(ctx, messageOf(id, key), time.Time{})
			return err
		})
		if err != nil {
			return err
		}
		lines <- fmt.Sprintf("%s %s %s", id, key, message.Queued)
	}
}

func messageOf(id session.ID, key string) outbox.Entry {
	e := entryOf(key)
	e.Session, e.ID = id, outbox.NewMessageID(id, key, key)
	return e
}

func TestWhatWasAcceptedSurvivesKill9(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { survivesKill9(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")) })
	t.Run("postgres", func(t *testing.T) { survivesKill9(t, pgtest.DSN(t)) })
}

func survivesKill9(t *testing.T, dsn string) {
	t.Helper()
	accepted := map[string]message.State{} // "session key" -> the last state that the child reported
	for round := range 3 {
		killAfter(t, dsn, 40+17*round, accepted)
		st := openDSN(t, dsn, store.Options{}) // the lock of the killed process must be free
		for at, want := range accepted {
			id, key, _ := strings.Cut(at, " ")
			stored, existed, err := st.Outbox().Find(t.Context(), session.ID(id), key)
			if err != nil || !existed {
				t.Fatalf("accepted message %s is lost after round %d: %v", at, round, err)
			}
			// The state may be later than reported: the child can die between the write and the line.
			if stored.State != want && stored.State != message.ServerAck {
				t.Fatalf("message %s is %s after round %d, was acknowledged as %s", at, stored.State, round, want)
			}
			if _, found, err := st.Sessions().Load(t.Context(), session.ID(id)); err != nil || !found {
				t.Fatalf("session %s is lost: %v", id, err)
			}
		}
		if st.DB().Dialect == dbutil.SQLite {
			var verdict string
			if err := st.DB().QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
				t.Fatalf("integrity after round %d: %q, %v", round, verdict, err)
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs a child until it has reported this many writes, kills it during the next ones, and adds the reported
// writes to accepted.
func killAfter(t *testing.T, dsn string, writes int, accepted map[string]message.State) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childDSN+"="+dsn)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for reader := bufio.NewReader(out); ; {
		line, err := reader.ReadString('\n')
		if err != nil {
			break // the pipe ends with the child
		}
		seen++
		fields := strings.Fields(line)
		accepted[fields[0]+" "+fields[1]] = message.State(fields[2])
		if seen == writes {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); seen < writes || child.ProcessState.Exited() {
		t.Fatalf("the child ended by itself after %d writes: %v", seen, err)
	}
}
