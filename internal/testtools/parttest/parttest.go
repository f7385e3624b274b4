// Package parttest holds the long-lived parts of a process to one contract: Start does not block, and begins nothing once
// Stop was called; Stop is legal before Start, idempotent, and returns when nothing of the part runs any more, or soon
// after its context has ended. Both may be called at the same time.
package parttest

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait. It is an upper bound for a slow machine, never something that is measured.
const patience = 2 * time.Minute

// rounds is how often a start and stops meet each other.
const rounds = 30

// Part is one part that has not started.
type Part struct {
	Start func(ctx context.Context) error
	Stop  func(ctx context.Context) error
}

// Stress runs parts that make gives through every order of starts and stops. Errors of Start after Stop are the part's
// affair. What make opens beside the part, such as a database, is closed by the test's cleanup. library names goroutines of
// libraries that end by themselves, and later than their user asks for.
func Stress(t *testing.T, make func(t *testing.T) Part, library ...goleak.Option) {
	t.Helper()
	run := func(name string, do func(t *testing.T, p Part)) {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			others := goleak.IgnoreCurrent() // what make opened
			do(t, p)
			stopped(t, p)
			goleak.VerifyNone(t, append(library, others)...)
		})
	}
	run("stop before start", func(t *testing.T, p Part) {
		stopped(t, p)
		_ = p.Start(bounded(t))
	})
	run("stop twice", func(t *testing.T, p Part) {
		started(t, p)
		stopped(t, p)
	})
	run("stops at once", func(t *testing.T, p Part) {
		started(t, p)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { stopped(t, p) })
		}
		all.Wait()
	})
	run("stop without time", func(t *testing.T, p Part) {
		started(t, p)
		ended, end := context.WithCancel(t.Context())
		end()
		_ = p.Stop(ended) // it may say that something still ends
	})
	t.Run("start and stop at once", func(t *testing.T) {
		for n := range rounds {
			p := make(t)
			others := goleak.IgnoreCurrent()
			var both sync.WaitGroup
			both.Go(func() { _ = p.Start(bounded(t)) })
			both.Go(func() {
				for range n % 5 { // the two meet at different places
					runtime.Gosched()
				}
				stopped(t, p)
			})
			both.Wait()
			stopped(t, p)
			goleak.VerifyNone(t, append(library, others)...)
		}
	})
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func started(t *testing.T, p Part) {
	t.Helper()
	if err := p.Start(bounded(t)); err != nil {
		t.Fatalf("start: %v", err)
	}
}

func stopped(t *testing.T, p Part) {
	t.Helper()
	if err := p.Stop(bounded(t)); err != nil {
		t.Errorf("stop: %v", err)
	}
}
