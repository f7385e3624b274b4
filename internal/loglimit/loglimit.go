// Package loglimit keeps a log readable while something fails again and again: it counts the lines that repeat instead of
// writing them. It owns no log of its own and knows nothing of what the lines say.
package loglimit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// window is the time over which lines are counted.
	window = time.Minute
	// PerSession is how often a line of one session is written within the window.
	PerSession = 10
	// PerLine is how often a warning or an error is written within the window, whatever sessions it is about. It is no
	// limit for information: that a session has changed is news for each of a thousand sessions.
	PerLine = 100
)

// Handler is a slog.Handler that hands the first lines of each kind on to another one and counts those that follow. At
// the end of a window it writes how many there were. Lines are of one kind if their level and message are equal, and
// their attributes op and code. Debug lines are not limited: who asks for them wants all.
type Handler struct {
	next    slog.Handler
	counter *counter
	op      string
	code    string
	session string
	grouped bool
}

// New returns a handler in front of next.
func New(next slog.Handler) *Handler {
	return &Handler{next: next, counter: &counter{seen: make(map[kind]*tally)}}
}

// kind is what lines that repeat have in common. session is "" for the lines of all sessions together.
type kind struct {
	level                      slog.Level
	message, op, code, session string
}

// counter counts the lines of the current window. All handlers that derive from one share it.
type counter struct {
	mu   sync.Mutex
	seen map[kind]*tally
	end  *time.Timer // of the window; nil: no line has come since the last one
}

type tally struct {
	lines, dropped int
	next           slog.Handler // of the first line that was dropped
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		with.look(a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	with.next = h.next.WithGroup(name)
	with.grouped = true
	return &with
}

// look takes over an attribute that tells kinds apart.
func (h *Handler) look(a slog.Attr) {
	if h.grouped {
		return
	}
	switch a.Key {
	case "op":
		h.op = a.Value.String()
	case "code":
		h.code = a.Value.String()
	case "session":
		h.session = a.Value.String()
	}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, line slog.Record) error {
	if line.Level < slog.LevelInfo {
		return h.next.Handle(ctx, line)
	}
	with := *h
	line.Attrs(func(a slog.Attr) bool {
		with.look(a)
		return true
	})
	of := kind{line.Level, line.Message, with.op, with.code, with.session}
	if !h.counter.admit(of, h.next) {
		return nil
	}
	return h.next.Handle(ctx, line)
}

// admit counts a line and reports whether it is written.
func (c *counter) admit(of kind, next slog.Handler) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.end = time.AfterFunc(window, c.flush)
	}
	limit := PerSession
	if of.session == "" {
		limit = PerLine
	}
	if !c.count(of, limit, next) {
		return false
	}
	if of.session == "" || of.level < slog.LevelWarn {
		return true
	}
	all := of
	all.session = ""
	return c.count(all, PerLine, next)
}

func (c *counter) count(of kind, limit int, next slog.Handler) bool {
	t := c.seen[of]
	if t == nil {
		t = &tally{}
		c.seen[of] = t
	}
	t.lines++
	if t.lines <= limit {
		return true
	}
	t.dropped++
	if t.next == nil {
		t.next = next
	}
	return false
}

// flush ends the window: it writes how many lines were dropped, and forgets what it has counted.
func (c *counter) flush() {
	c.mu.Lock()
	seen := c.seen
	if c.end != nil {
		c.end.Stop()
	}
	c.seen, c.end = make(map[kind]*tally), nil
	c.mu.Unlock()
	for of, t := range seen {
		if t.dropped == 0 {
			continue
		}
		line := slog.NewRecord(time.Now(), of.level, fmt.Sprintf("said %d more times in the last minute: %s", t.dropped, of.message), 0)
		for _, a := range []slog.Attr{slog.String("op", of.op), slog.String("code", of.code)} {
			if a.Value.String() != "" {
				line.AddAttrs(a)
			}
		}
		_ = t.next.Handle(context.Background(), line)
	}
}

// Flush writes what was counted so far. The owner calls it at the end of the process.
func (h *Handler) Flush() { h.counter.flush() }
