// Package parttest tests the contract of the long-lived parts of a process. Start does not block, and starts nothing
// after Stop was called. Stop may be called before Start and more than once. It returns when no goroutine of the part
// runs any more, or soon after its context has ended. Start and Stop may be called at the same time.
package parttest

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait. It is generous for a slow machine, and no test measures it.
const patience = 2 * time.Minute

// rounds is the number of times that Start and Stop are called concurrently.
const rounds = 30

// Part is a part that has not been started.
type Part struct {
	Start func(ctx context.Context) error
	Stop  func(ctx context.Context) error
}

// Stress runs parts from make through every order of Start and Stop. Start may return an error after Stop. make must
// register a cleanup for everything else that it opens, such as a database. library names goroutines of libraries that end
// by themselves, but later than the part's Stop.
func Stress(t *testing.T, make func(t *testing.T) Part, library ...goleak.Option) {
	t.Helper()
	run := func(name string, do func(t *testing.T, p Part)) {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			others := goleak.IgnoreCurrent() // goroutines that make started
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
		_ = p.Stop(ended) // it may return an error because the part is still stopping
	})
	t.Run("start and stop at once", func(t *testing.T) {
		for n := range rounds {
			p := make(t)
			others := goleak.IgnoreCurrent()
			var both sync.WaitGroup
			both.Go(func() { _ = p.Start(bounded(t)) })
			both.Go(func() {
				for range n % 5 { // vary the moment at which Stop interrupts Start
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
