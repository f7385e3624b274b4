package store

import (
	"context"
	"errors"
	"log/slog"
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
