package whatsapp

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

// checked is a link whose pings a test answers.
type checked struct {
	*liveness
	mu    sync.Mutex
	pings int
	ended []session.Input
}

// newChecked returns the liveness of a link. answer says how the ping with a number, from 1 on, ends. A ping without an
// answer takes 10 s, as whatsmeow's does.
func newChecked(ctx context.Context, answer func(n int) ping) *checked {
	c := &checked{}
	run := newRun(ctx, session.Run{Session: "a", Post: func(in session.Input) { c.ended = append(c.ended, in) }}, true, slog.New(slog.DiscardHandler))
	c.liveness = &liveness{run: run, stale: DefaultKeepAliveStale, ping: func(ctx context.Context) ping {
		c.mu.Lock()
		c.pings++
		outcome := answer(c.pings)
		c.mu.Unlock()
		if outcome == pingUnanswered {
			pause(ctx, 10*time.Second)
		}
		return outcome
	}}
	return c
}

func never(int) ping { return pingUnanswered }

func TestALinkThatDoesNotAnswerIsDeadWithinAMinute(t *testing.T) {
	for _, silent := range []time.Duration{30 * time.Second, 35 * time.Second, 40 * time.Second, 50 * time.Second} { // at whatsmeow's first ping without an answer
		synctest.Test(t, func(t *testing.T) {
			c := newChecked(t.Context(), never)
			last := time.Now().Add(-silent)
			for range 3 { // whatsmeow pings on, too
				c.unanswered(&events.KeepAliveTimeout{LastSuccess: last})
			}
			c.run.tasks.Wait()
			if took := time.Since(last); took > time.Minute {
				t.Errorf("silent for %s: it took %s", silent, took)
			}
			if len(c.ended) == 0 || c.ended[0].Kind != session.KeepAliveStale {
				t.Errorf("silent for %s: %v", silent, c.ended)
			}
		})
	}
}

func TestALinkThatAnswersTheNextPingLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, answer := range map[string]func(int) ping{
			"at once": func(int) ping { return pingAnswered },
			"over":    func(int) ping { return pingOver },
		} {
			c := newChecked(t.Context(), answer)
			c.unanswered(&events.KeepAliveTimeout{LastSuccess: time.Now().Add(-40 * time.Second)})
			c.suspect()
			c.run.tasks.Wait()
			if len(c.ended) != 0 {
				t.Errorf("%s: %v", name, c.ended)
			}
		}
	})
}

func TestAfterASleepOnePingWithoutAnAnswerIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := newChecked(t.Context(), never), time.Now()
		c.suspect()
		c.run.tasks.Wait()
		if len(c.ended) != 1 || c.ended[0].Kind != session.KeepAliveStale || c.pings != 1 || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %d pings and %s", c.ended, c.pings, time.Since(began))
		}
	})
}

func TestTheClockIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var slept time.Duration // by how much the wall clock is ahead
		var jumps []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		var watcher sync.WaitGroup
		watcher.Go(func() {
			watchClock(ctx, func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return wallClock().Add(slept)
			}, func(by time.Duration) { jumps = append(jumps, by) })
		})
		for _, jump := range []time.Duration{0, time.Second, -time.Hour, 3 * time.Hour, 0, 11 * time.Second} {
			time.Sleep(2 * clockPeriod)
			mu.Lock()
			slept += jump
			mu.Unlock()
		}
		time.Sleep(2 * clockPeriod)
		cancel()
		watcher.Wait()
		if len(jumps) != 2 || jumps[0] != 3*time.Hour || jumps[1] != 11*time.Second {
			t.Errorf("noticed %v", jumps)
		}
	})
}
