package whatsapp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

const (
	// clockPeriod is how often the clocks are compared.
	clockPeriod = 5 * time.Second
	// clockJump is by how much the wall clock has to run ahead before the links are checked. Corrections of the clock are
	// smaller.
	clockJump = 10 * time.Second
	// pingPause is the pause between two pings of a link that does not answer.
	pingPause = time.Second
)

// liveness finds out whether WhatsApp still answers. whatsmeow pings every 20 to 30 s and allows 10 s for the answer.
// After a ping without an answer it waits for its next turn; liveness pings on at once, so that a dead link is noticed
// within a minute. An idle link that answers costs nothing more.
type liveness struct {
	run   *run
	stale time.Duration                  // a link is dead if it is silent for longer
	ping  func(ctx context.Context) ping // sends one ping and waits for the answer

	mu       sync.Mutex
	checking bool // only one check at a time
}

// ping is the outcome of a ping.
type ping int

const (
	pingAnswered ping = iota
	pingUnanswered
	pingOver // the connection is over
)

// pinger returns the function that pings WhatsApp as whatsmeow does.
func pinger(wa *whatsmeow.Client) func(ctx context.Context) ping {
	return func(ctx context.Context) ping {
		answered, connected := internals(wa).SendKeepAlive(ctx)
		switch {
		case !connected:
			return pingOver
		case answered:
			return pingAnswered
		default:
			return pingUnanswered
		}
	}
}

// unanswered follows up a ping of whatsmeow's that got no answer.
func (l *liveness) unanswered(e *events.KeepAliveTimeout) {
	if silent := time.Since(e.LastSuccess); silent > l.stale {
		l.dead(fmt.Sprintf("no answer to pings for %s", silent.Round(time.Second)))
		return
	}
	l.check(func(ctx context.Context) {
		for l.ping(ctx) == pingUnanswered {
			if silent := time.Since(e.LastSuccess); silent > l.stale {
				l.dead(fmt.Sprintf("no answer to pings for %s", silent.Round(time.Second)))
				return
			}
			if !pause(ctx, pingPause) {
				return
			}
		}
	})
}

// suspect pings once. Without an answer the link is dead.
func (l *liveness) suspect() {
	l.check(func(ctx context.Context) {
		if l.ping(ctx) == pingUnanswered {
			l.dead("no answer to a ping after the machine's clock had jumped")
		}
	})
}

func (l *liveness) dead(why string) {
	l.run.post(session.Input{Kind: session.KeepAliveStale, Detail: why})
}

// check runs a check until the run closes, unless one is running.
func (l *liveness) check(work func(ctx context.Context)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.checking {
		return
	}
	l.checking = l.run.spawn("check of the link", func() {
		defer l.checked()
		work(l.run.ctx)
	})
}

func (l *liveness) checked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checking = false
}

// pause waits, and returns false if ctx ends meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// watchClock calls jumped when the wall clock runs ahead of the monotonic clock, until ctx ends. The monotonic clock
// stands still while the machine sleeps or its virtual machine is suspended, and so do all timers. wall is wallClock.
func watchClock(ctx context.Context, wall func() time.Time, jumped func(by time.Duration)) {
	ticker := time.NewTicker(clockPeriod)
	defer ticker.Stop()
	last, lastWall := time.Now(), wall()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now, nowWall := time.Now(), wall()
		if ahead := nowWall.Sub(lastWall) - now.Sub(last); ahead > clockJump {
			jumped(ahead)
		}
		last, lastWall = now, nowWall
	}
}

// wallClock returns the time without the reading of the monotonic clock.
func wallClock() time.Time { return time.Now().Round(0) }
