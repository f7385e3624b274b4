package whatsapp

import (
	"bytes"
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

// TestARunThatEndsSaysNothingOfItsBacklog: one that unlinks a device, for example, ends right after its login.
func TestARunThatEndsSaysNothingOfItsBacklog(t *testing.T) {
	for name, end := range map[string]func(*backlog){
		"taken down": func(b *backlog) { b.stop() },
		"closing":    func(b *backlog) { close(b.run.closing) },
	} {
		synctest.Test(t, func(t *testing.T) {
			var lines bytes.Buffer
			b := &backlog{run: newRun(t.Context(), session.Run{Session: "a"}, true, slog.New(slog.NewTextHandler(&lines, nil)))}
			b.begin()
			end(b)
			time.Sleep(2 * backlogPatience)
			if lines.Len() > 0 {
				t.Errorf("%s: %s", name, lines.String())
			}
		})
	}
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
