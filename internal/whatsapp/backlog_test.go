package whatsapp

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
)

func newTestBacklog(t *testing.T) *backlog {
	t.Helper()
	return &backlog{run: newRun(t.Context(), session.Run{Session: "a"}, true, slog.New(slog.DiscardHandler))}
}

func TestMessagesDoNotWaitForeverForTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBacklog(t)
		b.begin()
		time.Sleep(backlogPatience - time.Second)
		began := time.Now()
		for range 2 {
			if err := b.wait(t.Context()); err != nil || time.Since(began) != time.Second {
				t.Errorf("waited for %s, %v", time.Since(began), err)
			}
		}
		b.end()
	})
}

func TestNothingWaitsWithoutABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := newTestBacklog(t), newTestBacklog(t)
		before.end() // WhatsApp may say so before the login is known here
		before.begin()
		after.begin()
		after.end()
		began := time.Now()
		for _, b := range []*backlog{before, after} {
			if err := b.wait(t.Context()); err != nil || time.Since(began) != 0 {
				t.Errorf("waited for %s, %v", time.Since(began), err)
			}
		}
	})
}

// TestAWaitForTheBacklogThatIsCutShortSaysThatNothingLeft: such a message is queued again and does not count as perhaps sent.
func TestAWaitForTheBacklogThatIsCutShortSaysThatNothingLeft(t *testing.T) {
	b := newTestBacklog(t)
	b.begin()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.wait(ctx); session.CodeOf(err) != session.CodeNotReady {
		t.Error(err)
	}
	close(b.run.closing)
	if err := b.wait(t.Context()); session.CodeOf(err) != session.CodeNotReady {
		t.Error(err)
	}
}
