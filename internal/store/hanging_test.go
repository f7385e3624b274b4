package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
)

// hangs are the ways of a database that does not answer.
func hangs() map[string]func(ctx context.Context, thawed <-chan struct{}) error {
	return map[string]func(ctx context.Context, thawed <-chan struct{}) error{
		"a server that does not answer": func(ctx context.Context, thawed <-chan struct{}) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-thawed:
				return nil
			}
		},
		"a disk that does not answer, so that the statement does not return": func(_ context.Context, thawed <-chan struct{}) error {
			<-thawed
			return nil
		},
	}
}

func TestADatabaseThatHangsIsNoticedWithoutTraffic(t *testing.T) {
	for name, hang := range hangs() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				thawed := make(chan struct{})
				trial := func(ctx context.Context) error { return hang(ctx, thawed) }
				c := newCondition(slog.New(slog.DiscardHandler))
				defer c.close()
				c.use("x", trials{little: trial, much: trial}, quietPause)
				time.Sleep(quietPause + trialTimeout - time.Millisecond)
				if e := c.failing.Load(); e != nil {
					t.Errorf("before the time limit: %v", e)
				}
				time.Sleep(2 * time.Millisecond)
				if e := c.failing.Load(); e == nil || e.Code != session.CodeStoreUnavailable || !errors.Is(e, errNoAnswer) {
					t.Errorf("after the time limit: %v", e)
				}
				close(thawed)
				time.Sleep(trialTimeout + trialPause + time.Millisecond)
				if e := c.failing.Load(); e != nil {
					t.Errorf("after the database answers again: %v", e)
				}
			})
		})
	}
}

func TestATrialThatTheEndOfTheProcessInterruptsSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trial := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		c := newCondition(slog.New(slog.DiscardHandler))
		c.use("x", trials{little: trial, much: trial}, quietPause)
		time.Sleep(quietPause + time.Millisecond)
		c.close()
		if e := c.failing.Load(); e != nil {
			t.Errorf("it says %v", e)
		}
	})
}

// A connection that PostgreSQL does not answer ends at a limit of its own, before the trial's. That is no recovery.
func TestAConnectionThatIsNotAnsweredIsNoRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unanswered := fmt.Errorf("connect: %w", &noConnectionError{context.DeadlineExceeded})
		var thawed atomic.Bool
		trial := func(context.Context) error {
			if thawed.Load() {
				return nil
			}
			time.Sleep(5 * time.Second)
			return unanswered
		}
		c := newCondition(slog.New(slog.DiscardHandler))
		defer c.close()
		c.use("x", trials{little: trial, much: trial}, quietPause)
		time.Sleep(quietPause + 5*time.Second + time.Millisecond)
		for range 20 {
			if e := c.failing.Load(); e == nil || !errors.Is(e, errNoAnswer) {
				t.Fatalf("while nothing answers: %v", e)
			}
			time.Sleep(time.Second)
		}
		thawed.Store(true)
		time.Sleep(5*time.Second + trialPause + time.Millisecond)
		if e := c.failing.Load(); e != nil {
			t.Errorf("after the database answers again: %v", e)
		}
	})
}
