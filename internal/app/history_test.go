package app

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/app/apptest"

	"wasup/internal/session"
)

// history records every change of every session, so that a test can wait for a change that has happened already.
type history struct {
	mu      sync.Mutex
	changes map[session.ID][]change
	read    map[session.ID]int
	more    chan struct{} // closed at the next change
}

type change struct {
	state session.State
	cause session.Cause
}

func newHistory() *history {
	return &history{changes: make(map[session.ID][]change), read: make(map[session.ID]int), more: make(chan struct{})}
}

func (h *history) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	h.mu.Lock()
	h.changes[id] = append(h.changes[id], change{state, cause})
	close(h.more)
	h.more = make(chan struct{})
	h.mu.Unlock()
}

func (h *history) SessionRemoved(session.ID) {}

// next waits for the next change of the session to this state and cause, and remembers how far it has read.
func (h *history) next(t testing.TB, id session.ID, state session.State, cause session.Cause) {
	t.Helper()
	want := change{state, cause}
	timer := time.NewTimer(apptest.Patience)
	defer timer.Stop()
	for {
		more, found := h.look(id, want)
		if found {
			return
		}
		select {
		case <-more:
		case <-timer.C:
			t.Fatalf("client %s did not come to %s (%s); it went through\n%s", id, state, cause, h.of(id))
		}
	}
}

func (h *history) look(id session.ID, want change) (<-chan struct{}, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := h.read[id]; i < len(h.changes[id]); i++ {
		if h.changes[id][i] == want {
			h.read[id] = i + 1
			return nil, true
		}
	}
	return h.more, false
}

func (h *history) of(id session.ID) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for i, c := range h.changes[id] {
		mark := " "
		if i < h.read[id] {
			mark = "*"
		}
		fmt.Fprintf(&b, "  %s %s (%s)\n", mark, c.state, c.cause)
	}
	return b.String()
}

// count returns how often the session changed from another state to this one.
func (h *history) count(id session.ID, state session.State) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, before := 0, session.State("")
	for _, c := range h.changes[id] {
		if c.state == state && before != state {
			n++
		}
		before = c.state
	}
	return n
}
