package stanzas

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"pgregory.net/rapid"
)

// line is a queue that logs what was handled. Each handler waits at the gate.
type line struct {
	*Queue
	all     atomic.Int64
	gate    chan struct{}
	handled chan string
	guarded chan string
	late    chan string
}

func newLine() *line {
	l := &line{gate: make(chan struct{}, 1<<20), handled: make(chan string, 1<<20), guarded: make(chan string, 8), late: make(chan string, 8)}
	l.Queue = New(&l.all, func(where string) {
		if recover() != nil {
			l.guarded <- where
		}
	}, func(tag string) { l.late <- tag })
	l.active = true
	return l
}

func (l *line) come(tag, id string) {
	l.Arrive(tag)
	l.Wrap(func(context.Context, *waBinary.Node) {
		<-l.gate
		if id == "bad" {
			panic(id)
		}
		l.handled <- id
	})(context.Background(), &waBinary.Node{Tag: tag})
}

func TestStanzasAreHandledInOrderWhateverTheirKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLine()
		tags := rapid.SliceOfN(rapid.SampledFrom([]string{"message", "receipt", "iq", "ib"}), 1, 200).Draw(t, "tags")
		for range tags {
			l.gate <- struct{}{}
		}
		for i, tag := range tags {
			l.come(tag, strconv.Itoa(i))
		}
		for i := range tags {
			if got := <-l.handled; got != strconv.Itoa(i) {
				t.Fatalf("%s came as number %d", got, i)
			}
		}
		l.settle(func() bool { return l.waiting == 0 && !l.running && l.queue == nil })
		if n := l.all.Load(); n != 0 {
			t.Fatalf("%d of the process wait", n)
		}
	})
}

// settle waits until holds is true: the worker still does some work after a handler has returned.
func (l *line) settle(holds func() bool) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		l.mu.Lock()
		done := holds()
		l.mu.Unlock()
		if done {
			return
		}
		<-look.C
	}
}

func TestLargeStanzasCountAsSeveral(t *testing.T) {
	l := newLine()
	large := &waBinary.Node{Tag: "message", Content: []waBinary.Node{{Tag: "enc", Content: make([]byte, 1<<20)}}}
	taken := 0
	for ; !l.full(); taken++ {
		l.Arrive("message")
		l.Wrap(func(context.Context, *waBinary.Node) { <-l.gate })(t.Context(), large)
	}
	if taken != 32 {
		t.Errorf("%d MiB wait", taken)
	}
	for range taken {
		l.gate <- struct{}{}
	}
	l.settle(func() bool { return l.waiting == 0 && !l.running })
	if n := l.all.Load(); n != 0 {
		t.Errorf("%d of the process wait", n)
	}
}

// full reports whether the reader would have to wait.
func (l *line) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isFull()
}

func TestTheReaderWaitsWhileTooManyStanzasWait(t *testing.T) {
	for name, c := range map[string]struct {
		others int64
		bound  int
	}{"of its run": {0, maxWaiting}, "of the process": {maxWaitingAll, fairWaiting}} {
		t.Run(name, func(t *testing.T) {
			l := newLine()
			l.all.Store(c.others)
			for i := range c.bound {
				l.come("message", strconv.Itoa(i))
			}
			arrived := make(chan struct{})
			go func() {
				l.Arrive("message")
				close(arrived)
			}()
			l.Arrive("iq") // the answer to one of our requests is not held back
			select {
			case <-arrived:
				t.Fatal("one more was taken in")
			case <-time.After(20 * time.Millisecond):
			}
			l.gate <- struct{}{}
			<-arrived
			l.Stop()
			l.gate <- struct{}{}
			l.settle(func() bool { return !l.running })
			if n := l.all.Load(); n != c.others {
				t.Errorf("%d of the process wait, want %d", n, c.others)
			}
		})
	}
}

func TestAReaderThatWhatsmeowsQueueIsTooSlowForWaits(t *testing.T) {
	l := newLine()
	for range maxInTransit {
		l.Arrive("receipt")
	}
	if !l.isFull() {
		t.Fatal("there is room, so nobody would wait")
	}
	var over sync.WaitGroup
	over.Go(func() { l.Arrive("receipt") })
	l.gate <- struct{}{}
	l.put(stanza{t.Context(), &waBinary.Node{Tag: "receipt"}, func(context.Context, *waBinary.Node) {}, 1})
	over.Wait()
	over.Go(func() { l.Arrive("receipt") })
	l.Stop() // releases everybody who waits
	over.Wait()
}

func TestAPanicEndsTheRunAndNothingElse(t *testing.T) {
	l := newLine()
	l.come("notification", "bad")
	l.come("message", "after it")
	l.gate <- struct{}{}
	l.gate <- struct{}{}
	if where := <-l.guarded; where != "handling of a stanza: notification" {
		t.Errorf("told %q", where)
	}
	l.settle(func() bool { return l.stopped && !l.running })
	l.come("message", "later")
	if len(l.handled) != 0 || l.all.Load() != 0 {
		t.Errorf("%d were handled after the panic, %d wait", len(l.handled), l.all.Load())
	}
}

func TestAStanzaWhoseHandlingDoesNotEndIsTold(t *testing.T) {
	l := newLine()
	l.stuckAfter = time.Millisecond
	l.come("message", "slow")
	if tag := <-l.late; tag != "message" {
		t.Errorf("told of %q", tag)
	}
	l.gate <- struct{}{}
	<-l.handled
	l.settle(func() bool { return !l.running })
}
