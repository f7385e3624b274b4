package storetest

import (
	"reflect"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

var receiptTests = []test{
	{"outbox/receipts move messages further, once", receipts},
	{"outbox/a receipt proves a failure wrong", receiptOfAFailure},
	{"outbox/a note to oneself is received by oneself", receiptsToOneself},
	{"outbox/a receipt, the states and the events are one", receiptsAreOneCommit},
}

var recipient = message.Address{LID: "77@lid", PN: "5491100000001@s.whatsapp.net"}

func receive(t *testing.T, st *store.Store, e *outbox.Entry, state message.State) error {
	t.Helper()
	_, err := st.Outbox().Receipt(bounded(t), e.Session, events.ReceiptData{
		IDs: []string{e.ID}, Chat: recipient, Sender: recipient, Status: string(state), At: ackTime.Add(time.Second),
	})
	return err
}

func receipts(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	advanced(t, st, begun(&e))
	at := func(n int) time.Time { return ackTime.Add(time.Duration(n) * time.Second) }
	for n, r := range []struct {
		sender message.Address
		device int
		fromMe bool
		status string
		want   message.State
		moved  bool
	}{
		{message.Address{LID: "me@lid"}, 0, true, "delivered", message.Sending, false}, // our own phone has it
		{recipient, 0, false, "sender", message.Sending, false},                        // no state of a message
		{recipient, 1, false, "delivered", message.Delivered, true},                    // before WhatsApp's own answer
		{recipient, 1, false, "delivered", message.Delivered, false},
		{recipient, 0, false, "read", message.Read, true},
		{recipient, 0, false, "delivered", message.Read, false},
		{message.Address{LID: "78@lid"}, 0, false, "played", message.Played, true},
	} {
		steps, err := st.Outbox().Receipt(ctx, "51", events.ReceiptData{
			IDs: []string{"3EB0OTHER", e.ID}, Sender: r.sender, Device: r.device, FromMe: r.fromMe, Status: r.status, At: at(n),
		})
		must(t, err)
		m := messageOf(t, st, &e)
		if m.State != r.want || (len(steps) == 1) != r.moved || (r.moved && (steps[0].ID != e.ID || steps[0].To != r.want)) {
			t.Fatalf("after receipt %d: %+v, steps %+v", n, m, steps)
		}
	}
	m := messageOf(t, st, &e)
	want := []message.Receipt{
		{Recipient: recipient, Device: 1, DeliveredAt: at(2)},
		{Recipient: recipient, Device: 0, ReadAt: at(4), DeliveredAt: at(5)},
		{Recipient: message.Address{LID: "78@lid"}, PlayedAt: at(6)},
	}
	if !reflect.DeepEqual(m.Receipts, want) {
		t.Fatalf("receipts %+v\nwant     %+v", m.Receipts, want)
	}
	if !m.AckedAt.Equal(at(2)) || !m.DeliveredAt.Equal(at(2)) || !m.ReadAt.Equal(at(4)) || !m.PlayedAt.Equal(at(6)) || m.Content.Text != "" {
		t.Fatalf("message %+v", m)
	}
	list, _, err := st.Events().Read(ctx, events.Query{Session: "51"})
	must(t, err)
	if len(list) != 3 {
		t.Fatalf("the log has %+v", list)
	}
}

func receiptOfAFailure(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	advanced(t, st, failed(&e))
	must(t, receive(t, st, &e, message.Read))
	m := messageOf(t, st, &e)
	if m.State != message.Read || m.CanRequeue || m.Failure != (message.Failure{}) || m.DeliveredAt.IsZero() {
		t.Fatalf("read by somebody it is %+v", m)
	}
}

func receiptsToOneself(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	_, err := st.Outbox().Receipt(bounded(t), "51", events.ReceiptData{
		IDs: []string{e.ID}, Sender: recipient, FromMe: true, Status: "read", At: ackTime,
	})
	must(t, err)
	if m := messageOf(t, st, &e); m.State != message.Read {
		t.Fatalf("a note to oneself that was read is %+v", m)
	}
}

func receiptsAreOneCommit(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	advanced(t, st, begun(&e))
	data := events.ReceiptData{IDs: []string{e.ID}, Sender: recipient, Status: "read", At: ackTime}
	told := events.Event{Session: "51", Type: events.TypeReceipt, Key: "receipt", Data: []byte("no JSON")}
	if _, err := st.Outbox().Receipt(ctx, "51", data, told); session.CodeOf(err) != session.CodeInternal {
		t.Fatalf("an event that is no JSON: %v", err)
	}
	if m := messageOf(t, st, &e); m.State != message.Sending || len(m.Receipts) != 0 {
		t.Fatalf("the event was refused and the message is %+v", m)
	}
	works := st.Commits().Works
	told.Data = []byte(`{"status":"read"}`)
	if steps, err := st.Outbox().Receipt(ctx, "51", data, told); err != nil || len(steps) != 1 {
		t.Fatalf("steps %+v, %v", steps, err)
	}
	if n := st.Commits().Works - works; n != 1 {
		t.Errorf("%d works were committed", n)
	}
	// What is about nothing that the session sent is told all the same.
	data.IDs, told.Key = []string{"3EB0OTHER"}, "other"
	if steps, err := st.Outbox().Receipt(ctx, "51", data, told); err != nil || len(steps) != 0 {
		t.Fatalf("steps %+v, %v", steps, err)
	}
	list, _, err := st.Events().Read(ctx, events.Query{Session: "51"})
	must(t, err)
	types := []events.Type{}
	for i := range list {
		types = append(types, list[i].Type)
	}
	if want := []events.Type{events.TypeStatus, events.TypeReceipt, events.TypeReceipt}; !reflect.DeepEqual(types, want) {
		t.Fatalf("the log has %v, want %v", types, want)
	}
}
