package whatsapp_test

import (
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
)

func TestASendWithoutPostgresFailsForTheDatabaseAndNotForTheNetwork(t *testing.T) {
	cluster := pgtest.New(t)
	st, err := store.Open(testContext(t), cluster.Database(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	h := &house{t: t, server: newServer(t, sandbox.Config{}), store: st}
	h.dialer = h.newDialer(withoutJournal)
	friend, own := h.phone(), h.phone()
	device := h.link("a", own)
	l := h.open("a")
	l.expect(session.SocketUp)
	send := func(id string) error {
		_, err := l.client.Send(testContext(t), text(id, friend.Number()+"@s.whatsapp.net"))
		return err
	}
	if err := send("3EB0000000000001"); err != nil {
		t.Fatal(err)
	}
	// Wait for what a new device gets from its phone, and for the receipts: a receipt that cannot be stored would end the
	// run that the test sends with.
	if _, err := own.WaitMessage(testContext(t), func(m phones.Message) bool { return m.Status == phones.StatusRead }); err != nil {
		t.Fatal(err)
	}
	h.drained(own, device)
	if err := cluster.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"3EB0000000000002", "3EB0000000000003"} { // first on a connection that breaks, then without a connection
		if err := send(id); session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Errorf("without a database: %v", err)
		}
	}
	if err := cluster.Start(); err != nil {
		t.Fatal(err)
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ctx := testContext(t); st.Ping(ctx) != nil; <-again.C {
		if ctx.Err() != nil {
			t.Fatal("the database does not come back")
		}
	}
	if err := send("3EB0000000000004"); err != nil {
		t.Error(err)
	}
	got, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "3EB0000000000004" })
	if err != nil || got.Text != "hello from 3EB0000000000004" {
		t.Errorf("the phone reads %q, %v", got.Text, err)
	}
}
