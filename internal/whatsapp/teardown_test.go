package whatsapp

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/session"
	"wasup/internal/whatsapp/stanzas"
)

// quietTeardown returns the teardown of a run that is not connected. taken is closed when the dialer's wait is over.
func quietTeardown(t *testing.T) (td *teardown, taken chan struct{}) {
	t.Helper()
	d := &Dialer{}
	r := newRun(context.Background(), session.Run{Session: "a", Post: func(session.Input) {}}, true, slog.New(slog.DiscardHandler))
	td = &teardown{
		run: r, conn: &attempt{}, stanzas: stanzas.New(&d.stanzasWaiting, r.recovered, r.stuck), closings: &d.closings,
		done: make(chan struct{}), releaseRoute: func() {}, leave: func() {}, backlog: &backlog{run: r},
	}
	d.closings.Add(1)
	taken = make(chan struct{})
	go func() {
		d.closings.Wait()
		close(taken)
	}()
	return td, taken
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestClosingWaitsForWhatTheRunHasStartedAndNotForEver(t *testing.T) {
	for name, start := range map[string]func(td *teardown, work func()){
		"a stanza in hand": func(td *teardown, work func()) {
			td.stanzas.Wrap(func(context.Context, *waBinary.Node) { work() })(td.run.ctx, &waBinary.Node{Tag: "message"})
		},
		"a task": func(td *teardown, work func()) { td.run.spawn("task", work) },
	} {
		t.Run(name+" that ends with the run's context", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				td, taken := quietTeardown(t)
				var ended atomic.Bool
				start(td, func() {
					<-td.run.ctx.Done()
					<-time.After(closeTimeout / 2)
					ended.Store(true)
				})
				synctest.Wait()
				began := time.Now()
				td.close()
				if !ended.Load() || time.Since(began) != closeTimeout/2 {
					t.Errorf("ended: %t, after %s", ended.Load(), time.Since(began))
				}
				synctest.Wait()
				if !isClosed(taken) || td.run.state().phase != phaseClosed {
					t.Errorf("the dialer knows: %t, in %s", isClosed(taken), td.run.state().phase)
				}
			})
		})
		t.Run(name+" that does not end", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				td, taken := quietTeardown(t)
				release := make(chan struct{})
				start(td, func() { <-release })
				synctest.Wait()
				began := time.Now()
				td.close()
				if waited := time.Since(began); waited != closeTimeout {
					t.Errorf("Close took %s, want %s", waited, closeTimeout)
				}
				synctest.Wait()
				if isClosed(taken) || td.run.state().phase != phaseClosing {
					t.Errorf("the dialer takes the run for ended: %t, in %s", isClosed(taken), td.run.state().phase)
				}
				close(release)
				synctest.Wait()
				if !isClosed(taken) || td.run.state().phase != phaseClosed {
					t.Errorf("the dialer knows: %t, in %s", isClosed(taken), td.run.state().phase)
				}
			})
		})
	}
}

func TestNothingIsStartedAfterCloseBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		td, _ := quietTeardown(t)
		td.close()
		td.run.spawn("task", func() { t.Error("a task runs after Close") })
		td.stanzas.Wrap(func(context.Context, *waBinary.Node) {
			t.Error("a stanza is handled after Close")
		})(td.run.ctx, &waBinary.Node{Tag: "message"})
		synctest.Wait()
	})
}

func TestTheEndOfTheCallersContextClosesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		td, taken := quietTeardown(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		td.watch(ctx)
		cancel(errors.New("the session is stopped"))
		synctest.Wait()
		if !isClosed(taken) || td.run.state().phase != phaseClosed {
			t.Errorf("the dialer knows: %t, in %s", isClosed(taken), td.run.state().phase)
		}
	})
}
