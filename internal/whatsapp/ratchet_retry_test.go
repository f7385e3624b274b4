package whatsapp_test

import (
	"fmt"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/session"
)

// A recipient that has lost its side of a session asks for messages again, while more messages are sent in the session
// that the answers change.
func TestMessagesAreSentAgainWhileOthersAreSent(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.link("a", h.phone())
	other := h.phone()
	h.link("b", other)
	a, b := h.open("a"), h.open("b")
	a.expect(session.SocketUp)
	b.expect(session.SocketUp)
	send := func(from *life, id string, to string) {
		t.Helper()
		if _, err := from.client.Send(testContext(t), text(id, to)); err != nil {
			t.Fatal(err)
		}
	}
	account := func(l *life) string { return l.inputs[0].Account.JID }
	toA, toB := h.lidOf(account(a)), h.lidOf(account(b))
	send(a, "3EB1000000000001", toB)
	h.untilDecrypted(account(b), 1)
	send(b, "3EB1000000000002", toA) // an answer, after which messages no longer begin a session
	h.untilDecrypted(account(a), 1)
	b.nothingMore()
	if _, err := h.store.DB().Exec(testContext(t), "DELETE FROM whatsmeow_sessions WHERE our_jid=$1", account(b)); err != nil {
		t.Fatal(err)
	}
	b = h.open("b")
	b.expect(session.SocketUp)
	const messages = 30
	for n := range messages {
		send(a, fmt.Sprintf("3EB2%012d", n), toB)
	}
	h.untilDecrypted(account(b), 1+messages)
	if n := h.server.Counters(); n.Retries == 0 || n.KeyReuses != 0 {
		t.Errorf("%d messages were asked for again, %d keys used twice", n.Retries, n.KeyReuses)
	}
	a.nothingMore()
	b.nothingMore()
}

func (h *house) lidOf(jid string) (lid string) {
	h.t.Helper()
	if err := h.store.DB().QueryRow(testContext(h.t), "SELECT lid FROM whatsmeow_device WHERE jid=$1", jid).Scan(&lid); err != nil {
		h.t.Fatal(err)
	}
	return withoutDevice(lid)
}

// untilDecrypted waits until the device has decrypted that many messages.
func (h *house) untilDecrypted(jid string, want int) {
	h.t.Helper()
	ctx := testContext(h.t)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for n := 0; ; {
		err := h.store.ReadDB().QueryRow(ctx, "SELECT count(*) FROM whatsmeow_event_buffer WHERE our_jid=$1", jid).Scan(&n)
		switch {
		case err != nil:
			h.t.Fatalf("%d of %d messages were decrypted: %v", n, want, err)
		case n >= want:
			return
		}
		<-look.C
	}
}

func withoutDevice(jid string) string {
	parsed, err := types.ParseJID(jid)
	if err != nil {
		return jid
	}
	return parsed.ToNonAD().String()
}
