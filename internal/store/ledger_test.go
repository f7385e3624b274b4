package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

// wire is a sender that records the messages and returns err.
type wire struct {
	mu   sync.Mutex
	sent []message.Outgoing
	err  error
}

func (w *wire) Send(_ context.Context, _ session.ID, msg message.Outgoing) (message.Ack, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, msg)
	return message.Ack{MessageID: msg.ID, At: time.UnixMilli(1_780_000_000_000)}, w.err
}

// Ready implements outbox.Sender.
func (*wire) Ready(session.ID) bool { return true }

// Returns implements outbox.Sender.
func (*wire) Returns(session.ID, time.Time) bool { return true }

// AwaitReady implements outbox.Sender.
func (*wire) AwaitReady(context.Context, session.ID) bool { return true }

func text(key, body string) message.Request {
	return message.Request{Session: "51", To: "5491100000001@s.whatsapp.net", Content: message.TextOf(body), Key: key}
}

// sendOver opens the store at path, sends a message with a new outbox and closes both, as one process does.
func sendOver(t *testing.T, path string, w *wire, request message.Request) (outbox.Result, error) {
	t.Helper()
	st := openAt(t, path)
	wanted(t, st, "51")
	box := outbox.New(st.Outbox(), outbox.Options{MaxAttempts: 1})
	if err := box.Start(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	result, err := box.SendText(t.Context(), request)
	if closeErr := errors.Join(box.Stop(t.Context()), st.Close()); closeErr != nil {
		t.Fatal(closeErr)
	}
	return result, err
}

func TestAKeyKeepsItsMeaningAcrossProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	w := &wire{err: &session.Error{Code: session.CodeAckOverdue}}
	request := text("order-1", "hola")

	if _, err := sendOver(t, path, w, request); session.CodeOf(err) != session.CodeOutcomeUnknown {
		t.Fatalf("first process: %v", err)
	}
	w.mu.Lock()
	w.err = nil
	w.mu.Unlock()
	second, err := sendOver(t, path, w, request)
	if err != nil || second.State != message.ServerAck {
		t.Fatalf("second process: %+v, %v", second, err)
	}
	third, err := sendOver(t, path, w, request)
	if err != nil || third.MessageID != second.MessageID || third.State != second.State || !third.At.Equal(second.At) {
		t.Fatalf("third process: %+v, %v; want %+v", third, err, second)
	}
	other := request
	other.Content.Text = "adiós"
	if _, err := sendOver(t, path, w, other); session.CodeOf(err) != session.CodeIdempotencyReuse {
		t.Fatalf("fourth process, another body: %v", err)
	}
	if len(w.sent) < 2 {
		t.Errorf("sent %+v, want the message twice at least", w.sent)
	}
	for _, again := range w.sent {
		if !reflect.DeepEqual(again, w.sent[0]) {
			t.Errorf("sent %+v, want the same message under one id", w.sent)
		}
	}
}

func TestNoTextOutlivesItsAcknowledgement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	st := openAt(t, path)
	wanted(t, st, "51")
	box := outbox.New(st.Outbox(), outbox.Options{})
	if err := box.Start(t.Context(), &wire{}); err != nil {
		t.Fatal(err)
	}
	const secret = "the text that nobody else may read"
	for _, body := range []string{secret, strings.Repeat(secret, 1000)} { // short enough for the row, and long enough for overflow pages
		_, err := box.SendText(t.Context(), text("", body))
		if err != nil {
			t.Fatal(err)
		}
	}
	var left int
	if err := st.DB().QueryRow(t.Context(), "SELECT count(*) FROM wasup_outbox WHERE body IS NOT NULL").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d texts are left, %v", left, err)
	}
	if err := errors.Join(box.Stop(t.Context()), st.Close()); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), secret); n != 0 {
		t.Errorf("the file still holds the text %d times", n)
	}
}

func TestAFullDatabaseSendsNothing(t *testing.T) {
	st := openAt(t, filepath.Join(t.TempDir(), "wasup.db"))
	wanted(t, st, "51")
	w := &wire{}
	box := outbox.New(st.Outbox(), outbox.Options{})
	if err := box.Start(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := st.DB().Exec(t.Context(), "PRAGMA max_page_count=1"); err != nil {
		t.Fatal(err)
	}
	_, err := box.SendText(t.Context(), text("k", strings.Repeat("x", 60_000)))
	if session.CodeOf(err) != session.CodeStoreFull || len(w.sent) != 0 {
		t.Errorf("sent %d messages, %v", len(w.sent), err)
	}
	if err := box.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

var _ outbox.Ledger = (*store.Outbox)(nil)
