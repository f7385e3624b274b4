package events_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
)

func positions(all []events.Event) string {
	var out []uint64
	for i := range all {
		out = append(out, all[i].Pos)
	}
	return fmt.Sprint(out)
}

func TestAReaderWhoComesBackIsToldEverythingThatTheLogHas(t *testing.T) {
	st := openStore(t)
	// The ring and the pages are smaller than the number of events that a reader missed.
	l := openLog(t, st, events.Options{Buffer: 4, Page: 3})
	for i := range 20 {
		add(t, l, entry([]session.ID{"a", "b"}[i%2], events.TypeState))
	}
	handedOn(t, l, 20)
	for after := uint64(1); after < 20; after++ {
		reader := follow(t, l, after, "")
		if got := read(t, reader, int(20-after)); reader.Missed() || got[0].Pos != after+1 || got[len(got)-1].Pos != 20 {
			t.Errorf("after %d: missed %t, %s", after, reader.Missed(), positions(got))
		}
		one := follow(t, l, after, "b")
		if got := read(t, one, int(20-after+1)/2); one.Missed() || len(got) > 0 && got[len(got)-1].Pos != 20 {
			t.Errorf("of b after %d: %s", after, positions(got))
		}
	}
	fresh, future := follow(t, l, events.FromNow, ""), follow(t, l, 21, "a")
	if fresh.Missed() || fresh.From() != 20 || !future.Missed() || future.From() != 20 {
		t.Errorf("a new reader missed %t from %d; one from the future %t from %d", fresh.Missed(), fresh.From(), future.Missed(), future.From())
	}
	if all := follow(t, l, 0, ""); all.Missed() || len(read(t, all, 20)) != 20 {
		t.Error("a reader from the beginning is not told everything")
	}
	add(t, l, entry("a", events.TypeState))
	for _, reader := range []*events.Subscription{fresh, future} {
		if got := positions(read(t, reader, 1)); got != "[21]" {
			t.Errorf("then comes %s", got)
		}
	}
	// The next process continues.
	if err := l.Stop(bounded(t)); err != nil {
		t.Fatal(err)
	}
	later := openLog(t, st, events.Options{Buffer: 4, Page: 3})
	if reader := follow(t, later, 17, "a"); reader.Missed() || positions(read(t, reader, 2)) != "[19 21]" {
		t.Error("a reader of the process before is not told what came since")
	}
}

func TestAReaderIsToldOnlyTheTypesItAskedFor(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{Buffer: 2, Page: 2})
	kinds := events.Types()
	add(t, l, entry("a", events.TypeTest))
	for _, kind := range kinds {
		add(t, l, entry("a", kind))
	}
	reader := follow(t, l, 1, "", events.TypeCall, events.TypeGroup, events.TypeQR)
	if got := words(read(t, reader, 3)); got != "a session.qr\na call\na group.changed" {
		t.Errorf("told\n%s", got)
	}
	add(t, l, entry("a", events.TypeState), entry("a", events.TypeCall))
	if got := words(read(t, reader, 1)); got != "a call" {
		t.Errorf("then told\n%s", got)
	}
}

func TestASlowReaderLosesNothingAndNobodyWaitsForIt(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{Buffer: 3})
	slow, quick := follow(t, l, events.FromNow, ""), follow(t, l, events.FromNow, "")
	if found, err := slow.Next(bounded(t)); err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	for range 10 {
		add(t, l, entry("a", events.TypeState))
		read(t, quick, 1)
	}
	if got := positions(read(t, slow, 10)); got != "[1 2 3 4 5 6 7 8 9 10]" || l.Readers() != 2 {
		t.Errorf("the slow reader has %s, %d readers are left", got, l.Readers())
	}
	add(t, l, entry("a", events.TypeState))
	if got := positions(read(t, slow, 1)); got != "[11]" {
		t.Errorf("then it has %s", got)
	}
}

func TestTheRingIsBoundedByBytes(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{BufferBytes: 300_000})
	reader, idle := follow(t, l, events.FromNow, ""), follow(t, l, events.FromNow, "idle")
	for _, each := range []*events.Subscription{reader, idle} {
		if found, err := each.Next(bounded(t)); err != nil || len(found) > 0 {
			t.Fatal(found, err)
		}
	}
	for _, kilobytes := range []int{100, 100, 100, 1, 400, 1, 1} {
		add(t, l, sized("a", kilobytes))
	}
	handedOn(t, l, 7)
	if events, bytes := l.Ring(); events != 2 || bytes > 4_000 {
		t.Errorf("the ring has %d events and %d bytes", events, bytes)
	}
	if got := positions(read(t, reader, 7)); got != "[1 2 3 4 5 6 7]" {
		t.Errorf("a reader has %s", got)
	}
	// The idle reader wanted none of the events that left the ring.
	add(t, l, sized("idle", 1))
	if got := positions(read(t, idle, 1)); got != "[8]" {
		t.Errorf("the idle reader has %s", got)
	}
}

func TestAReaderHoldsNoMoreThanAChunk(t *testing.T) {
	for name, options := range map[string]events.Options{"from memory": {}, "from the table": {Buffer: 1}} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, openStore(t), options)
			for _, kilobytes := range []int{100, 20, 60, 400, 10, 10, 127, 1, 1, 1} {
				add(t, l, sized("a", kilobytes))
			}
			handedOn(t, l, 10)
			reader := follow(t, l, 0, "")
			for _, want := range []string{"[1 2 3]", "[4]", "[5 6 7]", "[8 9 10]"} {
				found, err := reader.Next(bounded(t))
				if err != nil || positions(found) != want {
					t.Errorf("a chunk is %s, %v; want %s", positions(found), err, want)
				}
			}
			event, err := reader.Again(bounded(t), 4)
			if err != nil || event.Pos != 4 || len(event.Data) < 400<<10 {
				t.Errorf("again comes %d with %d bytes, %v", event.Pos, len(event.Data), err)
			}
			if event, err := reader.Again(bounded(t), 11); !errors.Is(err, events.ErrOvertaken) {
				t.Errorf("an event that is not there is %d, %v", event.Pos, err)
			}
		})
	}
}

// counting counts the pages that are read at the same time.
type counting struct {
	*store.Events
	now, most atomic.Int64
}

func (c *counting) Read(ctx context.Context, q events.Query) ([]events.Event, uint64, error) {
	defer c.now.Add(-1)
	for n := c.now.Add(1); ; {
		if most := c.most.Load(); n <= most || c.most.CompareAndSwap(most, n) {
			return c.Events.Read(ctx, q)
		}
	}
}

func TestReadersOfThePastTakeTurns(t *testing.T) {
	table := &counting{Events: openStore(t).Events()}
	l := events.NewLog(table, events.Options{Buffer: 1, ReplayBytes: 3 * events.MaxData})
	started(t, l)
	t.Cleanup(func() { _ = l.Stop(context.Background()) })
	const n = 20
	for range n {
		add(t, l, sized("a", 100))
	}
	handedOn(t, l, n)
	table.most.Store(0)
	var all sync.WaitGroup
	for range 30 {
		reader := follow(t, l, 0, "")
		all.Go(func() {
			if got := read(t, reader, n); len(got) != n || got[n-1].Pos != n {
				t.Errorf("a reader has %s", positions(got))
			}
		})
	}
	all.Wait()
	if most := table.most.Load(); most > 3 {
		t.Errorf("%d pages were read at the same time", most)
	}
}

func TestStoppingEndsEveryReader(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{})
	one, two, early := follow(t, l, events.FromNow, ""), follow(t, l, events.FromNow, "a"), follow(t, l, events.FromNow, "a")
	for _, reader := range []*events.Subscription{one, two} {
		if _, err := reader.Next(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	two.Close()
	two.Close()
	for range 2 {
		if err := l.Stop(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, reader := range []*events.Subscription{one, two} {
		if _, open := <-reader.C(); open {
			t.Error("a log that is stopped told something")
		}
		if _, err := reader.Next(bounded(t)); !errors.Is(err, events.ErrClosed) {
			t.Error(err)
		}
		reader.Close()
	}
	if _, err := early.Next(bounded(t)); !errors.Is(err, events.ErrClosed) {
		t.Error(err)
	}
	early.Close()
	if _, err := l.Subscribe(bounded(t), 0, "", nil); !errors.Is(err, events.ErrClosed) || l.Readers() != 0 {
		t.Errorf("%v, %d readers", err, l.Readers())
	}
}

func TestAWatchTellsWhoseLogHasGrown(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{})
	watch := l.Watch()
	defer watch.Close()
	add(t, l, entry("a", events.TypeState), entry("b", events.TypeState), entry("a", events.TypeState))
	add(t, l, entry("a", events.TypeState))
	handedOn(t, l, 4)
	<-watch.C()
	if taken := watch.Take(); len(taken) != 2 || taken["a"] != 3 || taken["b"] != 1 {
		t.Errorf("taken %v", taken)
	}
	if taken := watch.Take(); len(taken) != 0 {
		t.Errorf("taken again %v", taken)
	}
}

// pruning is a table that deletes all but the newest events whenever the log is read.
type pruning struct {
	*store.Events
	keep uint64
}

func (p *pruning) Read(ctx context.Context, q events.Query) ([]events.Event, uint64, error) {
	if p.keep > 0 {
		if _, _, err := p.Prune(ctx, events.Cut{Keep: p.keep}, 100); err != nil {
			return nil, 0, err
		}
	}
	return p.Events.Read(ctx, q)
}

func TestRetentionIsBoundedByBytes(t *testing.T) {
	st := openStore(t)
	l := openLog(t, st, events.Options{})
	keep := events.NewRetention(l, events.Keep{Bytes: 500 << 10}, nil)
	for _, want := range []uint64{1, 129} { // 4 KiB each, and whole blocks of 64 are deleted
		for range 100 {
			add(t, l, sized("a", 4))
		}
		keep.Run(bounded(t))
		if first, last, err := l.Bounds(bounded(t)); err != nil || first != want {
			t.Errorf("%d to %d are kept, %v", first, last, err)
		}
	}
	// Another process weighs what it finds.
	add(t, l, sized("a", 4))
	again := events.NewRetention(l, events.Keep{Bytes: 200 << 10}, nil)
	again.Run(bounded(t))
	if first, last, err := l.Bounds(bounded(t)); err != nil || first != 193 || last != 201 {
		t.Errorf("%d to %d are kept, %v", first, last, err)
	}
	if err := errors.Join(keep.Stop(bounded(t)), again.Stop(bounded(t))); err != nil {
		t.Error(err)
	}
}

func TestAReaderWhomRetentionOvertakesIsTold(t *testing.T) {
	table := &pruning{Events: openStore(t).Events()}
	l := events.NewLog(table, events.Options{Buffer: 1, Page: 2})
	if err := l.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Stop(context.Background()) })
	follower, err := l.Subscribe(bounded(t), events.FromNow, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	if past, err := follower.Next(bounded(t)); err != nil || len(past) > 0 {
		t.Fatalf("read %s, %v", positions(past), err)
	}
	for range 10 {
		if err := l.Append(bounded(t), entry("a", events.TypeState)); err != nil {
			t.Fatal(err)
		}
		<-follower.C() // passed on, so that readers of old events have to read the table
	}
	reader, err := l.Subscribe(bounded(t), 1, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if past, err := reader.Next(bounded(t)); err != nil || positions(past) != "[2 3]" {
		t.Fatalf("read %s, %v", positions(past), err)
	}
	table.keep = 5
	if past, err := reader.Next(bounded(t)); !errors.Is(err, events.ErrOvertaken) {
		t.Errorf("read %s, %v", positions(past), err)
	}
	table.keep = 2
	if found, _, missed, err := l.Page(bounded(t), 6, "", nil, 10); err != nil || !missed || positions(found) != "[9 10]" {
		t.Errorf("a page has %s, missed %t, %v", positions(found), missed, err)
	}
}

func TestRetentionLeavesReadersInNoDoubt(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{Buffer: 2})
	for range 10 {
		add(t, l, entry("a", events.TypeMessage), entry("b", events.TypeMessage))
	}
	handedOn(t, l, 20)
	now := time.Now()
	keep := events.NewRetention(l, events.Keep{Count: 5}, func() time.Time { return now })
	keep.Run(bounded(t))
	if floor, tail := l.Span(); floor != 15 || tail != 20 {
		t.Errorf("the log goes from %d to %d", floor, tail)
	}
	if reader := follow(t, l, 15, "a"); reader.Missed() || positions(read(t, reader, 2)) != "[17 19]" {
		t.Error("a reader of what is kept missed something")
	}
	if reader := follow(t, l, 14, "a"); !reader.Missed() {
		t.Error("a reader of what is gone missed nothing")
	}
	add(t, l, entry("a", events.TypeQR), entry("a", events.TypeMessage))
	now = now.Add(time.Hour)
	keep.Run(bounded(t))
	if found, _, err := l.Read(bounded(t), events.Query{}); err != nil || positions(found) != "[18 19 20 22]" {
		t.Errorf("kept %s, %v", positions(found), err)
	}
	old := events.NewRetention(l, events.Keep{Age: time.Minute}, func() time.Time { return now })
	old.Run(bounded(t))
	if found, _, err := l.Read(bounded(t), events.Query{}); err != nil || len(found) > 0 {
		t.Errorf("kept %s, %v", positions(found), err)
	}
	if err := errors.Join(keep.Stop(bounded(t)), old.Stop(bounded(t))); err != nil {
		t.Error(err)
	}
}

func TestADeletedSessionTakesItsEventsAlong(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{})
	keep := events.NewRetention(l, events.Keep{}, nil)
	started(t, keep)
	defer func() { _ = keep.Stop(context.Background()) }()
	ctx := bounded(t)
	for l.Readers() == 0 { // the retention subscribes when it starts
		add(t, l, entry("b", events.TypeMessage))
	}
	add(t, l, entry("a", events.TypeMessage), entry("a", events.TypeMessage), entry("b", events.TypeMessage), entry("a", events.TypeRemoved))
	for {
		found, _, err := l.Read(ctx, events.Query{Session: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 1 && found[0].Type == events.TypeRemoved && found[0].Seq == 3 {
			break
		}
	}
	if found, _, err := l.Read(ctx, events.Query{Session: "b"}); err != nil || len(found) == 0 {
		t.Errorf("the other session has %d events, %v", len(found), err)
	}
}

// slowTable is a table whose Forget waits until it is let go.
type slowTable struct {
	events.Table
	begun  chan struct{}
	letGo  chan struct{}
	waited sync.Once
}

func (s *slowTable) Forget(ctx context.Context, id session.ID, upTo uint64, limit int) (int, error) {
	s.waited.Do(func() {
		close(s.begun)
		<-s.letGo
	})
	return s.Table.Forget(ctx, id, upTo, limit)
}

func TestRetentionHandlesDeletionsThatCameWhileItWasBusy(t *testing.T) {
	table := &slowTable{Table: openStore(t).Events(), begun: make(chan struct{}), letGo: make(chan struct{})}
	l := events.NewLog(table, events.Options{Buffer: 1})
	started(t, l)
	defer func() { _ = l.Stop(context.Background()) }()
	now := time.Now()
	keep := events.NewRetention(l, events.Keep{Age: time.Hour, Every: time.Millisecond}, func() time.Time { return now })
	started(t, keep)
	defer func() { _ = keep.Stop(context.Background()) }()
	ctx := bounded(t)
	for l.Readers() == 0 {
		add(t, l, entry("other", events.TypeMessage))
	}
	ids := []session.ID{"a", "b", "c", "d", "e"}
	for _, id := range ids {
		add(t, l, entry(id, events.TypeMessage), entry(id, events.TypeRemoved))
	}
	<-table.begun
	_, last, err := l.Bounds(ctx)
	if err != nil {
		t.Fatal(err)
	}
	handedOn(t, l, last)
	close(table.letGo)
	for _, id := range ids {
		for {
			found, _, err := l.Read(ctx, events.Query{Session: id})
			if err != nil {
				t.Fatalf("the events of %s: %v", id, err)
			}
			if len(found) == 1 && found[0].Type == events.TypeRemoved {
				break
			}
		}
	}
}

// A reader that comes and goes at any time, and returns with the last position that it has seen, gets all events
// exactly once and in order.
func TestNothingIsLostOrToldTwiceOverAnyHistory(t *testing.T) {
	st := openStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := events.NewLog(st.Events(), events.Options{
			Buffer: rapid.IntRange(1, 8).Draw(rt, "buffer"), BufferBytes: rapid.SampledFrom([]int{600, 3000, 1 << 20}).Draw(rt, "bytes"),
			Page: rapid.IntRange(1, 4).Draw(rt, "page"),
		})
		ctx := context.Background()
		if err := l.Start(ctx); err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Stop(ctx) }()
		id := rapid.SampledFrom([]session.ID{"", "a", "b"}).Draw(rt, "reads")
		_, start := l.Span()
		known := start
		var told []events.Event
		reader, err := l.Subscribe(ctx, known, id, nil)
		if err != nil {
			rt.Fatal(err)
		}
		take := func(wait bool, end uint64) {
			for wait && known < end || !wait {
				past, err := reader.Next(ctx)
				if err != nil {
					rt.Fatal(err)
				}
				if len(past) == 0 {
					select {
					case <-reader.C():
					case <-time.After(patience):
						rt.Fatal("an event never came")
					}
					continue
				}
				told = append(told, past...)
				known = told[len(told)-1].Pos
				if !wait {
					return
				}
			}
		}
		var last uint64
		for range rapid.IntRange(0, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0, 1:
				of := rapid.SampledFrom([]session.ID{"a", "b"}).Draw(rt, "session")
				if err := l.Append(ctx, entry(of, events.TypeState)); err != nil {
					rt.Fatal(err)
				}
				if _, end, _ := st.Events().Bounds(ctx); id == "" || id == of {
					last = end
				}
			case 2:
				if known < last {
					take(false, 0)
				}
			case 3:
				reader.Close()
				if reader, err = l.Subscribe(ctx, known, id, nil); err != nil {
					rt.Fatal(err)
				}
			}
		}
		take(true, last)
		reader.Close()
		stored, _, err := st.Events().Read(ctx, events.Query{Session: id, After: start})
		if err != nil || positions(told) != positions(stored) {
			rt.Fatalf("told %s of %s, %v", positions(told), positions(stored), err)
		}
	})
}

func TestEverythingMayHappenAtTheSameTime(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{Buffer: 8, Page: 16})
	ctx := bounded(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for range 50 {
				if err := l.Append(ctx, entry(session.NumericID(int64(worker+1)), events.TypeState)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			var last uint64
			for range 50 {
				s, err := l.Subscribe(ctx, last, "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				past, err := s.Next(ctx)
				if err != nil {
					t.Error(err)
				}
				for i := range past {
					if last > 0 && past[i].Pos != last+1 {
						t.Errorf("%d after %d", past[i].Pos, last)
					}
					last = past[i].Pos
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	if l.Readers() != 0 {
		t.Errorf("%d readers are left", l.Readers())
	}
}
