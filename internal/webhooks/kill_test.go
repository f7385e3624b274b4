package webhooks_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

// childStore is the database if the test binary runs as the child process that will be killed.
const childStore = "WASUP_WEBHOOKS_TEST_CHILD_STORE"

// deliverUntilKilled runs in the child process. It adds an event to each session, delivers, and repeats that.
func deliverUntilKilled(path string) int {
	ctx := context.Background()
	st, err := store.Open(ctx, "sqlite:"+path, store.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	grown := newGrowth()
	hooks := webhooks.New(st.Webhooks(), grown, quick())
	if err := hooks.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		for _, id := range names(3) {
			if err := st.Events().Append(ctx, events.Event{Session: id, Type: events.TypeMessage, Data: []byte(`{}`)}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			grown.add(id, 0)
			fmt.Println("added")
		}
	}
}

func TestNothingIsSkippedAfterKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	open := func() *store.Store {
		t.Helper()
		st, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	x := newTarget(t, func(_ http.ResponseWriter, _ *http.Request, n int) int {
		if n%11 == 0 {
			return 503
		}
		return 204
	})
	st := open()
	hooks := webhooks.New(st.Webhooks(), newGrowth(), quick())
	hook, err := hooks.Create(t.Context(), webhooks.Webhook{URL: x.URL, Active: true}, webhooks.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childStore+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 10+7*round && lines.Scan(); n++ {
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
	}

	r := newRig(t, quick())
	r.st = open()
	defer func() {
		r.stop()
		if err := r.st.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.store = r.st.Webhooks()
	r.start()
	r.settled(hook)
	last := make(map[session.ID]uint64)
	seen := make(map[string]bool)
	for _, g := range x.requests() {
		if seen[g.id] {
			continue
		}
		seen[g.id] = true
		if g.body.Seq != last[g.body.Session]+1 {
			t.Errorf("session %s: %d came after %d", g.body.Session, g.body.Seq, last[g.body.Session])
		}
		last[g.body.Session] = g.body.Seq
	}
	for _, id := range names(3) {
		want, err := r.st.Events().LastSeq(t.Context(), id)
		if err != nil || last[id] != want || want == 0 {
			t.Errorf("session %s: %d arrived, %d happened, %v", id, last[id], want, err)
		}
	}
}
