package whatsapp_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
)

// breakage makes a database fail until the returned function is called.
type breakage struct {
	name  string
	code  session.Code
	begin func(t *testing.T, h *house, path string) (end func())
}

func breakages() []breakage {
	pragma := func(t *testing.T, h *house, statement string) {
		t.Helper()
		if _, err := h.store.DB().Exec(testContext(t), statement); err != nil {
			t.Fatal(err)
		}
	}
	return []breakage{
		{"read-only", session.CodeStoreUnavailable, func(t *testing.T, h *house, _ string) func() {
			pragma(t, h, "PRAGMA query_only=1")
			return func() { pragma(t, h, "PRAGMA query_only=0") }
		}},
		{"full", session.CodeStoreFull, func(t *testing.T, h *house, _ string) func() {
			pragma(t, h, "PRAGMA max_page_count=1")
			return func() { pragma(t, h, "PRAGMA max_page_count=1000000") }
		}},
		{"locked", session.CodeStoreLocked, func(t *testing.T, _ *house, path string) func() {
			db := openBeside(t, path)
			conn, err := db.Conn(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(testContext(t), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if _, err := conn.ExecContext(testContext(t), "ROLLBACK"); err != nil {
					t.Fatal(err)
				}
				_ = conn.Close()
			}
		}},
	}
}

// openBeside opens a SQLite file as another program would.
func openBeside(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "_busy_timeout=60000"}).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// fragileHouse returns a house whose database has a known path and does not wait long for other programs.
func fragileHouse(t *testing.T, change ...func(*whatsapp.Config)) (*house, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wasup.db")
	st, err := store.Open(testContext(t), "sqlite:"+path, store.Options{BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	h := &house{t: t, server: newServer(t, sandbox.Config{}), store: st}
	h.dialer = h.newDialer(change...)
	return h, path
}

// withoutJournal stores nothing that is received: a receipt that could not be stored would end the run that the test
// sends with.
func withoutJournal(cfg *whatsapp.Config) { cfg.Journal = nil }

// decrypted counts the messages that were decrypted.
func (h *house) decrypted() (n int) {
	h.t.Helper()
	if err := h.store.DB().QueryRow(testContext(h.t), "SELECT count(*) FROM whatsmeow_event_buffer").Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// large does not fit into the free space of a full database.
var large = strings.Repeat("x", 60_000)

func TestWhatADatabaseCannotKeepIsDeliveredAgain(t *testing.T) {
	for _, broken := range breakages() {
		t.Run(broken.name, func(t *testing.T) {
			h, path := fragileHouse(t)
			friend, own := h.phone(), h.phone()
			device := h.link("a", own)
			l := h.open("a")
			l.expect(session.SocketUp)
			say := func(body string) {
				t.Helper()
				if _, err := friend.SendText(testContext(t), own.Number(), body); err != nil {
					t.Fatal(err)
				}
			}
			say("before")
			h.drained(own, device)
			before := h.decrypted()
			end := broken.begin(t, h, path)
			const lost = 5
			for n := range lost {
				say(fmt.Sprintf("%d%s", n, large))
			}
			l.expect(session.StoreFailed)
			l.nothingMore()
			if queued := h.queued(own, device); queued < lost { // receipts wait as well
				t.Errorf("%d stanzas are still to be delivered, want the %d messages", queued, lost)
			}
			end()
			l = h.open("a")
			l.expect(session.SocketUp)
			h.wantHealthy(own, device)
			if got := h.decrypted() - before; got != lost {
				t.Errorf("%d messages were decrypted, want %d", got, lost)
			}
			l.nothingMore()
		})
	}
}

func (h *house) queued(phone *sandbox.Phone, device types.JID) int {
	h.t.Helper()
	for _, d := range phone.Devices() {
		if d.JID == device {
			return d.Queued
		}
	}
	h.t.Fatalf("%s is not linked", device)
	return 0
}

func TestWithoutADatabaseNothingIsSent(t *testing.T) {
	for _, broken := range breakages() {
		t.Run(broken.name, func(t *testing.T) {
			h, path := fragileHouse(t, withoutJournal)
			friend, own := h.phone(), h.phone()
			device := h.link("a", own)
			l := h.open("a")
			l.expect(session.SocketUp)
			send := func(id string) error {
				msg := text(id, friend.LID().String())
				msg.Content = message.TextOf(large)
				_, err := l.client.Send(testContext(t), msg)
				return err
			}
			if err := send("3EB0000000000001"); err != nil {
				t.Fatal(err)
			}
			// Wait for what a new device gets from its phone, and for the receipts.
			if _, err := own.WaitMessage(testContext(t), func(m phones.Message) bool { return m.Status == phones.StatusRead }); err != nil {
				t.Fatal(err)
			}
			h.drained(own, device)
			before := h.server.Counters().MessagesIn
			end := broken.begin(t, h, path)
			for range 2 {
				if err := send("3EB0000000000002"); session.CodeOf(err) != broken.code {
					t.Errorf("%v, want %s", err, broken.code)
				}
			}
			if sent := h.server.Counters().MessagesIn - before; sent != 0 {
				t.Errorf("%d messages left all the same", sent)
			}
			end()
			for _, id := range []string{"3EB0000000000002", "3EB0000000000003"} {
				if err := send(id); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "3EB0000000000003" }); err != nil {
				t.Fatal(err)
			}
			if n := len(friend.Messages()); n != 3 {
				t.Errorf("the phone shows %d messages, want 3", n)
			}
			h.wantHealthy(own, device)
			l.nothingMore()
		})
	}
}
