package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/session"
)

func at(state session.State, cause session.Cause) session.Status {
	return session.Status{ID: "a", State: state, Cause: cause, Desired: session.DesiredRun}
}

func code(seq int) session.Status {
	s := at(session.QRRequired, session.CausePairing)
	s.QR = session.QR{Code: fmt.Sprint("code ", seq), Seq: seq, ExpiresAt: time.Unix(int64(seq), 0)}
	return s
}

func named(id session.ID, s session.Status) session.Status {
	s.ID = id
	return s
}

func follow(t testing.TB, l *Live, after uint64, id session.ID) *Subscription {
	t.Helper()
	s, err := l.Subscribe(after, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// waiting gives what a reader has been handed and has not read.
func waiting(s *Subscription) []session.LiveEvent {
	var all []session.LiveEvent
	for {
		select {
		case event, open := <-s.C():
			if !open {
				return all
			}
			all = append(all, event)
		default:
			return all
		}
	}
}

func words(all []session.LiveEvent) string {
	var out []string
	for _, event := range all {
		word := fmt.Sprintf("%s %s", event.Status.ID, event.Type)
		switch event.Type {
		case session.LiveState:
			word += " " + string(event.Status.State)
		case session.LiveQR:
			word += fmt.Sprint(" ", event.Status.QR.Seq)
		case session.LiveRemoved, session.LiveSnapshot:
		}
		out = append(out, word)
	}
	return strings.Join(out, "\n")
}

func TestAReaderIsToldEveryChangeAndEveryCodeOnce(t *testing.T) {
	l := NewLive(100, 100)
	all, one, other := follow(t, l, 0, ""), follow(t, l, 0, "a"), follow(t, l, 0, "b")
	for _, s := range []session.Status{
		at(session.Initializing, session.CauseStarting),
		at(session.Initializing, session.CauseStarting),
		code(1), code(1), code(2),
		at(session.Reconnecting, session.CausePairing),
		at(session.Ready, session.CauseConnected),
		at(session.Ready, session.CauseConnected),
	} {
		l.Publish(s)
	}
	l.Remove("a")
	l.Remove("a")
	want := "a session.state INITIALIZING\na session.state QR_REQUIRED\na session.qr 1\na session.qr 2\n" +
		"a session.state RECONNECTING\na session.state READY\na session.removed"
	for _, reader := range []*Subscription{all, one} {
		events := waiting(reader)
		if got := words(events); got != want {
			t.Errorf("told\n%s\nexpected\n%s", got, want)
		}
		for i := 1; i < len(events); i++ {
			if events[i].Seq != events[i-1].Seq+1 {
				t.Errorf("event %d follows %d", events[i].Seq, events[i-1].Seq)
			}
		}
	}
	if events := waiting(other); len(events) > 0 {
		t.Errorf("a reader of another session is told\n%s", words(events))
	}
}

func TestEveryDifferenceThatPeopleSeeIsToldAndNoOther(t *testing.T) {
	moment := time.Unix(1_700_000_000, 0)
	for what, change := range map[string]func(*session.Status){
		"state":       func(s *session.Status) { s.State = session.Errored },
		"cause":       func(s *session.Status) { s.Cause = session.CauseCrashed },
		"desired":     func(s *session.Status) { s.Desired = session.DesiredStop },
		"since":       func(s *session.Status) { s.Since = moment },
		"retry":       func(s *session.Status) { s.RetryAt = moment },
		"ban":         func(s *session.Status) { s.Until = moment },
		"restriction": func(s *session.Status) { s.Restricted = moment },
		"device":      func(s *session.Status) { s.HasDevice = true },
		"account":     func(s *session.Status) { s.Account.PushName = "Ana" },
		"passkey":     func(s *session.Status) { s.Passkey = &session.Passkey{Code: "1"} },
		"name":        func(s *session.Status) { s.Settings.Name = "Shop" },
		"proxy":       func(s *session.Status) { s.Settings.Proxy = "http://h:1" },
		"metadata":    func(s *session.Status) { s.Settings.Metadata = map[string]string{"a": "b"} },
		"":            func(s *session.Status) { s.UpdatedAt, s.Since = moment, s.Since.UTC() },
	} {
		l := NewLive(10, 10)
		l.Publish(at(session.Ready, session.CauseConnected))
		reader := follow(t, l, 0, "")
		s := at(session.Ready, session.CauseConnected)
		change(&s)
		l.Publish(s)
		if told := len(waiting(reader)); (told == 1) != (what != "") {
			t.Errorf("change of %q: %d events", what, told)
		}
	}
}

func TestAReaderWhoComesBackIsToldWhatItMissed(t *testing.T) {
	l := NewLive(4, 10)
	first := follow(t, l, 0, "")
	states := session.States()
	for _, state := range states {
		l.Publish(at(state, session.CauseNone))
	}
	events := waiting(first)
	if len(events) != len(states) {
		t.Fatalf("%d events", len(events))
	}
	last := len(events) - 1
	for back := range 5 { // the hub remembers 4
		reader := follow(t, l, events[last-back].Seq, "a")
		if reader.Missed() || words(waiting(reader)) != words(events[last-back+1:]) {
			t.Errorf("%d events back: missed %t", back, reader.Missed())
		}
	}
	for _, unknown := range []uint64{1, events[0].Seq, events[last-5].Seq, events[last].Seq + 1} {
		reader := follow(t, l, unknown, "")
		if !reader.Missed() || len(waiting(reader)) > 0 {
			t.Errorf("after %d, of %d to %d: nothing is missed", unknown, events[0].Seq, events[last].Seq)
		}
	}
	if reader := follow(t, l, 0, ""); reader.Missed() || reader.From() != events[last].Seq || len(waiting(reader)) > 0 {
		t.Error("a reader that knows nothing is told the past")
	}
}

func TestTheNumbersOfALaterProcessAreGreater(t *testing.T) {
	l := NewLive(10, 10)
	before := follow(t, l, 0, "")
	l.Publish(at(session.Ready, session.CauseConnected))
	earlier := waiting(before)[0].Seq
	if earlier > 1<<53 {
		t.Errorf("%d is no integer to JavaScript", earlier)
	}
	later := NewLive(10, 10)
	for later.seq <= earlier { // the clock has stood still for a microsecond
		later = NewLive(10, 10)
	}
	if reader := follow(t, later, earlier, ""); !reader.Missed() {
		t.Error("a reader of the earlier process believes that it missed nothing")
	}
}

func TestASlowReaderIsDroppedAndNobodyWaitsForIt(t *testing.T) {
	l := NewLive(100, 3)
	slow, quick := follow(t, l, 0, ""), follow(t, l, 0, "")
	var read []session.LiveEvent
	for i := range 10 {
		l.Publish(code(i + 1))
		read = append(read, waiting(quick)...)
	}
	if len(read) != 11 || l.Readers() != 1 {
		t.Errorf("the quick reader has %d events, %d readers are left", len(read), l.Readers())
	}
	var kept []session.LiveEvent
	for event := range slow.C() { // it ends: the reader was dropped
		kept = append(kept, event)
	}
	if len(kept) != 3 {
		t.Errorf("the slow reader has %d events", len(kept))
	}
	back := follow(t, l, kept[len(kept)-1].Seq, "")
	if got := waiting(back); back.Missed() || words(append(kept, got...)) != words(read) {
		t.Errorf("it came back and has\n%s", words(append(kept, got...)))
	}
}

func TestClosingEndsEveryReader(t *testing.T) {
	l := NewLive(10, 10)
	one, two := follow(t, l, 0, ""), follow(t, l, 0, "a")
	two.Close()
	two.Close()
	l.Close()
	l.Close()
	l.Publish(at(session.Ready, session.CauseConnected))
	l.Remove("a")
	for _, reader := range []*Subscription{one, two} {
		if _, open := <-reader.C(); open {
			t.Error("a closed hub told something")
		}
		reader.Close()
	}
	if _, err := l.Subscribe(0, ""); !errors.Is(err, ErrClosed) || l.Readers() != 0 {
		t.Errorf("%v, %d readers", err, l.Readers())
	}
}

// Whatever happens and whenever a reader comes and goes: with the numbers it has seen it is told everything exactly
// once, or that it missed something.
func TestNothingIsLostOrToldTwiceOverAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLive(rapid.IntRange(1, 8).Draw(t, "buffer"), rapid.IntRange(1, 8).Draw(t, "per reader"))
		id := rapid.SampledFrom([]session.ID{"", "a", "b"}).Draw(t, "reads")
		witness, err := l.Subscribe(0, id)
		if err != nil {
			t.Fatal(err)
		}
		reader, _ := l.Subscribe(0, id)
		var all, read []session.LiveEvent
		known := reader.From()
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				s := named(rapid.SampledFrom([]session.ID{"a", "b"}).Draw(t, "id"), code(rapid.IntRange(1, 3).Draw(t, "code")))
				l.Publish(s)
				all = append(all, waiting(witness)...)
				if l.Readers() < 2 && len(witness.C()) == 0 {
					witness.Close()
					witness, _ = l.Subscribe(witnessed(all, known), id)
					if witness.Missed() {
						return // the buffer is smaller than one step
					}
					all = append(all, waiting(witness)...)
				}
			case 2:
				read = append(read, waiting(reader)...)
			case 3:
				reader.Close()
				read = append(read, waiting(reader)...)
				reader, _ = l.Subscribe(witnessed(read, known), id)
				if reader.Missed() {
					read, known = slices.Clone(all), reader.From()
				}
			}
		}
		reader.Close()
		read = append(read, waiting(reader)...)
		for i := range read {
			if i >= len(all) || read[i].Seq != all[i].Seq {
				t.Fatalf("read\n%s\nof\n%s", words(read), words(all))
			}
		}
	})
}

func witnessed(events []session.LiveEvent, start uint64) uint64 {
	if len(events) == 0 {
		return start
	}
	return max(start, events[len(events)-1].Seq)
}

func TestEverythingMayHappenAtTheSameTime(t *testing.T) {
	l := NewLive(64, 16)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 300 {
				l.Publish(named(session.NumericID(int64(worker+1)), code(i)))
			}
			l.Remove(session.NumericID(int64(worker + 1)))
		})
		wg.Go(func() {
			var last uint64
			for range 100 {
				s, err := l.Subscribe(last, "")
				if err != nil {
					t.Error(err)
					return
				}
				for _, event := range waiting(s) {
					if event.Seq <= last {
						t.Errorf("%d after %d", event.Seq, last)
					}
					last = event.Seq
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	if l.Readers() != 0 || len(l.last) != 0 {
		t.Errorf("%d readers, %d sessions are left", l.Readers(), len(l.last))
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 10, 1000} {
		b.Run(fmt.Sprint(readers, " readers"), func(b *testing.B) {
			l := NewLive(4096, 256)
			for range readers {
				s, err := l.Subscribe(0, "other")
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				l.Publish(code(i))
			}
		})
	}
}

func BenchmarkPublishNothingNew(b *testing.B) {
	l := NewLive(4096, 256)
	s := at(session.Ready, session.CauseConnected)
	b.ReportAllocs()
	for b.Loop() {
		l.Publish(s)
	}
}
