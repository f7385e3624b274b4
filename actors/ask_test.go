package actors_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/actors"
)

type question struct{ n int }

func TestAnAskIsAnswered(t *testing.T) {
	system := newSystem()
	echo := spawn(t, system, func(ctx actor.Context) {
		if q, ok := ctx.Message().(question); ok {
			ctx.Respond(q.n)
		}
	})
	if n, err := actors.Ask[int](t.Context(), system, echo, question{7}, nil, nil); n != 7 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
}

func TestASecondAnswerIsDropped(t *testing.T) {
	system := newSystem()
	twice := spawn(t, system, func(ctx actor.Context) {
		if _, ok := ctx.Message().(question); ok {
			for n := range 100 {
				ctx.Respond(n)
			}
		}
	})
	for range 100 {
		if n, err := actors.Ask[int](t.Context(), system, twice, question{}, nil, nil); n != 0 || err != nil {
			t.Fatalf("got %d, %v; want the first answer", n, err)
		}
	}
}

func TestAnAskEndsWithItsContextAndTheActorHearsOfIt(t *testing.T) {
	system := newSystem()
	heard := make(chan *actor.PID, 1)
	mute := spawn(t, system, func(ctx actor.Context) {
		if _, ok := ctx.Message().(question); ok {
			heard <- ctx.Sender()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan *actor.PID, 1)
	done := make(chan error, 1)
	go func() {
		_, err := actors.Ask[int](ctx, system, mute, question{}, nil, func(asker *actor.PID) { ended <- asker })
		done <- err
	}()
	asker := <-heard
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	if told := <-ended; told.Id != asker.Id {
		t.Fatalf("told of %s, asked by %s", told.Id, asker.Id)
	}
	if _, there := system.ProcessRegistry.GetLocal(asker.Id); there {
		t.Fatal("the asker is still registered")
	}
}

func TestAnAnswerThatHasArrivedWinsOverTheEnds(t *testing.T) {
	system := newSystem()
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		// The answer comes on the asker's own goroutine, before Ask begins to wait. ctx has ended and gone is closed by
		// then.
		pid, _ := system.ProcessRegistry.Add(answerer{system, func() { cancel(); close(gone) }}, "answerer"+system.ProcessRegistry.NextId())
		n, err := actors.Ask[int](ctx, system, pid, question{}, gone, func(*actor.PID) { t.Error("told of an end") })
		system.ProcessRegistry.Remove(pid)
		if n != 1 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
}

// answerer is a process that answers within SendUserMessage, and then calls then.
type answerer struct {
	system *actor.ActorSystem
	then   func()
}

func (a answerer) SendUserMessage(_ *actor.PID, message any) {
	_, _, sender := actor.UnwrapEnvelope(message)
	a.system.Root.Send(sender, 1)
	a.then()
}

func (answerer) SendSystemMessage(*actor.PID, any) {}

func (answerer) Stop(*actor.PID) {}

func TestAnAskOfNobodyIsToldSo(t *testing.T) {
	system := newSystem()
	pid := system.Root.Spawn(actor.PropsFromFunc(func(actor.Context) {}))
	_ = system.Root.StopFuture(pid).Wait()
	for name, to := range map[string]*actor.PID{"stopped": pid, "never there": actor.NewPID(system.Address(), "nobody")} {
		if _, err := actors.Ask[int](t.Context(), system, to, question{}, nil, nil); !errors.Is(err, actors.ErrGone) {
			t.Fatalf("%s: error is %v", name, err)
		}
	}
}

func TestAnAskInTheQueueOfAnActorThatStopsIsToldSo(t *testing.T) {
	system := newSystem()
	busy, goOn, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case question:
			close(busy)
			<-goOn
		case *actor.Stopped:
			close(gone)
		}
	}))
	system.Root.Send(pid, question{})
	<-busy
	done := make(chan error, 1)
	go func() {
		_, err := actors.Ask[int](context.Background(), system, pid, question{}, gone, nil)
		done <- err
	}()
	system.Root.Stop(pid)
	close(goOn)
	if err := <-done; !errors.Is(err, actors.ErrGone) {
		t.Fatalf("error is %v", err)
	}
}

func TestAnAnswerOfTheWrongTypeIsAnError(t *testing.T) {
	system := newSystem()
	wrong := spawn(t, system, func(ctx actor.Context) {
		if _, ok := ctx.Message().(question); ok {
			ctx.Respond("seven")
		}
	})
	if _, err := actors.Ask[int](t.Context(), system, wrong, question{}, nil, nil); err == nil || !strings.Contains(err.Error(), "string") {
		t.Fatalf("error is %v", err)
	}
}

func TestAThousandAsksAtATimeAreEachAnsweredWithTheirOwn(t *testing.T) {
	system := newSystem()
	var kept []struct {
		to *actor.PID
		n  int
	}
	echo := spawn(t, system, func(ctx actor.Context) {
		q, ok := ctx.Message().(question)
		if !ok {
			return
		}
		kept = append(kept, struct {
			to *actor.PID
			n  int
		}{ctx.Sender(), q.n})
		if len(kept) < 1000 {
			return
		}
		for _, k := range kept { // all askers wait now
			ctx.Send(k.to, k.n)
		}
	})
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			if n, err := actors.Ask[int](t.Context(), system, echo, question{i}, nil, nil); n != i || err != nil {
				t.Errorf("asked %d, got %d, %v", i, n, err)
			}
		})
	}
	all.Wait()
}

// The library's own future writes its result outside its lock: with it, the race detector reports this test.
func TestAnAnswerThatRacesWithTheEndIsOneOfTheTwo(t *testing.T) {
	system := newSystem()
	echo := spawn(t, system, func(ctx actor.Context) {
		if q, ok := ctx.Message().(question); ok {
			ctx.Respond(q.n)
		}
	})
	answered, ended := 0, 0
	for i := range 3000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%60)*time.Microsecond)
		n, err := actors.Ask[int](ctx, system, echo, question{i}, nil, nil)
		switch {
		case err == nil && n == i:
			answered++
		case errors.Is(err, context.DeadlineExceeded) && n == 0:
			ended++
		default:
			t.Fatalf("asked %d, got %d, %v", i, n, err)
		}
		cancel()
	}
	t.Logf("%d answered, %d ended", answered, ended)
}

func BenchmarkAsk(b *testing.B) {
	system := newSystem()
	echo := spawn(b, system, func(ctx actor.Context) {
		if q, ok := ctx.Message().(question); ok {
			ctx.Respond(q.n)
		}
	})
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := actors.Ask[int](ctx, system, echo, question{1}, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChannel is the same round trip without actors.
func BenchmarkChannel(b *testing.B) {
	type request struct {
		n     int
		reply chan int
	}
	requests := make(chan request)
	defer close(requests)
	go func() {
		for r := range requests {
			r.reply <- r.n
		}
	}()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		reply := make(chan int, 1)
		requests <- request{1, reply}
		select {
		case <-reply:
		case <-ctx.Done():
			b.Fatal(ctx.Err())
		}
	}
}
