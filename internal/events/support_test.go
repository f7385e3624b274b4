package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
)

// patience limits how long the tests wait. No test measures it.
const patience = time.Minute

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(bounded(t), "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func openLog(t testing.TB, st *store.Store, options events.Options) *events.Log {
	t.Helper()
	l := events.NewLog(st.Events(), options)
	if err := l.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Stop(context.Background()) })
	return l
}

// started starts a part of the log.
func started(t testing.TB, part interface {
	Start(ctx context.Context) error
},
) {
	t.Helper()
	if err := part.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
}

func newFeed(t testing.TB, journal events.Journal) *events.Feed {
	t.Helper()
	f := events.NewFeed(journal, describe, nil)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.Stop(ctx)
	})
	return f
}

// told is the data of the tests' events.
type told struct {
	State   session.State `json:"state,omitempty"`
	Name    string        `json:"name,omitempty"`
	QR      int           `json:"qr,omitempty"`
	Skipped int           `json:"skipped,omitempty"`
}

func describe(of events.Type, status session.Status, skipped int) json.RawMessage {
	out := told{State: status.State, Name: status.Settings.Name, Skipped: skipped}
	if of == events.TypeQR {
		out = told{QR: status.QR.Seq}
	}
	text, _ := json.Marshal(out)
	return text
}

func word(e *events.Event) string {
	var of told
	_ = json.Unmarshal(e.Data, &of)
	out := fmt.Sprintf("%s %s", e.Session, e.Type)
	if of.State != "" {
		out += " " + string(of.State)
	}
	if of.QR > 0 {
		out += fmt.Sprint(" ", of.QR)
	}
	if of.Skipped > 0 {
		out += fmt.Sprint(" after ", of.Skipped)
	}
	return out
}

func words(all []events.Event) string {
	var out []string
	for i := range all {
		out = append(out, word(&all[i]))
	}
	return strings.Join(out, "\n")
}

func follow(t testing.TB, l *events.Log, after uint64, id session.ID, types ...events.Type) *events.Subscription {
	t.Helper()
	s, err := l.Subscribe(bounded(t), after, id, types)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// read waits for a number of events of a reader.
func read(t testing.TB, s *events.Subscription, n int) []events.Event {
	t.Helper()
	ctx := bounded(t)
	var all []events.Event
	for len(all) < n {
		found, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, found...); len(found) > 0 {
			continue
		}
		select {
		case <-s.C():
		case <-ctx.Done():
			t.Fatalf("%d of %d events came:\n%s", len(all), n, words(all))
		}
	}
	return all
}

func entry(id session.ID, of events.Type) events.Event {
	return events.Event{Session: id, Type: of, Data: json.RawMessage(`{}`)}
}

// sized returns an event with so many kilobytes of data.
func sized(id session.ID, kilobytes int) events.Event {
	e := entry(id, events.TypeMessage)
	e.Data = json.RawMessage(`"` + strings.Repeat("a", kilobytes<<10) + `"`)
	return e
}

func add(t testing.TB, l *events.Log, list ...events.Event) {
	t.Helper()
	if err := l.Append(bounded(t), list...); err != nil {
		t.Fatal(err)
	}
}

// handedOn waits until the log's goroutine has passed on all events up to a position.
func handedOn(t testing.TB, l *events.Log, pos uint64) {
	t.Helper()
	ctx := bounded(t)
	watch := l.Watch()
	defer watch.Close()
	for {
		if _, tail := l.Span(); tail >= pos {
			return
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			t.Fatalf("position %d was never handed on", pos)
		}
	}
}
