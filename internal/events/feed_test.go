package events_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

func at(state session.State, cause session.Cause) session.Status {
	return session.Status{ID: "a", State: state, Cause: cause, Desired: session.DesiredRun}
}

func code(seq int) session.Status {
	s := at(session.QRRequired, session.CausePairing)
	s.QR = session.QR{Code: fmt.Sprint("code ", seq), Seq: seq, ExpiresAt: time.Unix(int64(seq), 0)}
	return s
}

func TestEveryChangeAndEveryCodeIsWrittenOnce(t *testing.T) {
	l := openLog(t, openStore(t), events.Options{})
	feed := newFeed(t, l)
	started(t, feed)
	all, one, other := follow(t, l, events.FromNow, ""), follow(t, l, events.FromNow, "a"), follow(t, l, events.FromNow, "b")
	for _, s := range []session.Status{
		at(session.Initializing, session.CauseStarting),
		at(session.Initializing, session.CauseStarting),
		code(1), code(1), code(2),
		at(session.Reconnecting, session.CausePairing),
		at(session.Ready, session.CauseConnected),
		at(session.Ready, session.CauseConnected),
	} {
		feed.Publish(s)
	}
	feed.Remove("a")
	feed.Remove("a")
	last := at(session.Ready, session.CauseConnected)
	last.ID = "b"
	feed.Publish(last)
	want := "a session.state INITIALIZING\na session.state QR_REQUIRED\na session.qr 1\na session.qr 2\n" +
		"a session.state RECONNECTING\na session.state READY\na session.removed"
	if got := words(read(t, one, 7)); got != want {
		t.Errorf("told\n%s\nexpected\n%s", got, want)
	}
	if got := words(read(t, all, 8)); got != want+"\nb session.state READY" {
		t.Errorf("told\n%s\nexpected\n%s and one more", got, want)
	}
	if got := words(read(t, other, 1)); got != "b session.state READY" {
		t.Errorf("a reader of another session is told\n%s", got)
	}
}

func TestEveryDifferenceThatPeopleSeeIsWrittenAndNoOther(t *testing.T) {
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
		feed := newFeed(t, nil) // not started: nothing is written
		feed.Publish(at(session.Ready, session.CauseConnected))
		s := at(session.Ready, session.CauseConnected)
		change(&s)
		feed.Publish(s)
		if told := feed.Waiting() - 1; (told == 1) != (what != "") {
			t.Errorf("change of %q: %d events", what, told)
		}
	}
}

// broken is a journal that fails until it is repaired.
type broken struct {
	mu       sync.Mutex
	repaired bool
	tried    chan struct{}
	kept     []events.Event
}

func (b *broken) Append(_ context.Context, list ...events.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.repaired {
		select {
		case b.tried <- struct{}{}:
		default:
		}
		return errors.New("the disk is full")
	}
	b.kept = append(b.kept, list...)
	return nil
}

func TestWithoutADatabaseTheNewestStateIsKeptAndSaysWhatIsMissing(t *testing.T) {
	journal := &broken{tried: make(chan struct{}, 1)}
	feed := newFeed(t, journal)
	feed.SetBound(3)
	feed.Publish(at(session.Initializing, session.CauseStarting))
	started(t, feed)
	<-journal.tried // the feed has tried to write the first one
	states := session.States()
	for range 3 {
		for _, state := range states {
			feed.Publish(at(state, session.CauseNone))
		}
	}
	other := at(session.Ready, session.CauseConnected)
	other.ID = "b"
	feed.Publish(other)
	feed.Remove("a")
	feed.Publish(at(session.Ready, session.CauseConnected))
	if waits := feed.Waiting(); waits != 6 {
		t.Errorf("%d events wait", waits)
	}
	journal.mu.Lock()
	journal.repaired = true
	journal.mu.Unlock()
	if err := feed.Stop(bounded(t)); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("a session.state INITIALIZING\na session.state %s\na session.state %s\na session.state %s after %d\n"+
		"b session.state READY\na session.removed\na session.state READY", states[0], states[1], states[len(states)-1], 3*len(states)-3)
	if got := words(journal.kept); got != want {
		t.Errorf("written\n%s\nexpected\n%s", got, want)
	}
	keys := map[string]bool{}
	for i := range journal.kept {
		keys[journal.kept[i].Key] = true
	}
	if len(keys) != len(journal.kept) || keys[""] {
		t.Errorf("keys %v", keys)
	}
	feed.Publish(at(session.Errored, session.CauseCrashed))
	if feed.Waiting() != 0 {
		t.Error("a feed that has ended takes more")
	}
}

func TestAStopThatIsCutShortLeavesNothingBehind(t *testing.T) {
	journal := &broken{tried: make(chan struct{}, 1)}
	feed := newFeed(t, journal)
	feed.Publish(at(session.Ready, session.CauseConnected))
	started(t, feed)
	<-journal.tried
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := feed.Stop(ctx); err != nil {
		t.Error(err)
	}
	if len(journal.kept) > 0 {
		t.Error("something was written")
	}
}

func BenchmarkPublish(b *testing.B) {
	feed := newFeed(b, nil)
	feed.SetBound(1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		feed.Publish(code(i))
	}
}

func BenchmarkPublishNothingNew(b *testing.B) {
	feed := newFeed(b, nil)
	s := at(session.Ready, session.CauseConnected)
	b.ReportAllocs()
	for b.Loop() {
		feed.Publish(s)
	}
}
