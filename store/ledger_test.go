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

	"wasup/outbox"
	"wasup/session"
	"wasup/store"
)

// wire notes what is sent, and answers what the test says.
type wire struct {
	mu   sync.Mutex
	sent []session.Outgoing
	err  error
}

func (w *wire) Send(_ context.Context, _ session.ID, message session.Outgoing) (session.Ack, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, message)
	return session.Ack{MessageID: message.ID, At: time.UnixMilli(1_780_000_000_000)}, w.err
}

// sendOver sends over a new outbox on the store at path, as a process that starts, sends and ends.
func sendOver(t *testing.T, path string, w *wire, request outbox.Request) (outbox.Result, error) {
	t.Helper()
	st := openAt(t, path)
	box := outbox.New(st.Outbox(), w, outbox.Options{})
	result, err := box.SendText(t.Context(), request)
	if closeErr := errors.Join(box.Close(t.Context()), st.Close()); closeErr != nil {
		t.Fatal(closeErr)
	}
	return result, err
}

func TestAKeyKeepsItsMeaningAcrossProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	w := &wire{err: &session.Error{Code: session.CodeAckOverdue}}
	request := outbox.Request{Session: "51", To: "5491100000001@s.whatsapp.net", Body: "hola", Key: "order-1"}

	if _, err := sendOver(t, path, w, request); session.CodeOf(err) != session.CodeAckOverdue {
		t.Fatalf("first process: %v", err)
	}
	w.err = nil
	second, err := sendOver(t, path, w, request)
	if err != nil || second.State != outbox.ServerAck {
		t.Fatalf("second process: %+v, %v", second, err)
	}
	third, err := sendOver(t, path, w, request)
	if err != nil || third.MessageID != second.MessageID || third.State != second.State || !third.At.Equal(second.At) {
		t.Fatalf("third process: %+v, %v; want %+v", third, err, second)
	}
	other := request
	other.Body = "adiós"
	if _, err := sendOver(t, path, w, other); session.CodeOf(err) != session.CodeIdempotencyReuse {
		t.Fatalf("fourth process, another body: %v", err)
	}
	if len(w.sent) != 2 || !reflect.DeepEqual(w.sent[0], w.sent[1]) {
		t.Errorf("sent %+v, want the same message twice under one id", w.sent)
	}
}

func TestNoTextOutlivesItsAcknowledgement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	st := openAt(t, path)
	box := outbox.New(st.Outbox(), &wire{}, outbox.Options{})
	const secret = "the text that nobody else may read"
	for _, body := range []string{secret, strings.Repeat(secret, 1000)} { // in the row, and on pages of its own
		_, err := box.SendText(t.Context(), outbox.Request{Session: "51", To: "5491100000001@s.whatsapp.net", Body: body})
		if err != nil {
			t.Fatal(err)
		}
	}
	var left int
	if err := st.DB().QueryRow(t.Context(), "SELECT count(*) FROM wasup_outbox WHERE body IS NOT NULL").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d texts are left, %v", left, err)
	}
	if err := errors.Join(box.Close(t.Context()), st.Close()); err != nil {
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
	w := &wire{}
	box := outbox.New(st.Outbox(), w, outbox.Options{})
	if _, err := st.DB().Exec(t.Context(), "PRAGMA max_page_count=1"); err != nil {
		t.Fatal(err)
	}
	_, err := box.SendText(t.Context(), outbox.Request{
		Session: "51", To: "5491100000001@s.whatsapp.net", Body: strings.Repeat("x", 1<<20), Key: "k",
	})
	if session.CodeOf(err) != session.CodeStoreFull || len(w.sent) != 0 {
		t.Errorf("sent %d messages, %v", len(w.sent), err)
	}
	if err := box.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

var _ outbox.Ledger = (*store.Outbox)(nil)
