package phones_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/stanza"
)

// patience bounds every wait of the tests. The machine may be slow and busy.
const patience = 3 * time.Minute

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newNetwork(t *testing.T) *network.Network {
	t.Helper()
	n := network.New(network.Config{Log: slog.New(slog.DiscardHandler), Media: media.Limits{}, MediaHost: func() string { return "" }})
	t.Cleanup(func() {
		n.Tasks.Stop()
		n.Tasks.Wait()
	})
	return n
}

func newPhone(t *testing.T, n *network.Network) *phones.Phone {
	t.Helper()
	p, err := phones.New(phones.Config{Script: phones.ScriptSilent}, n)
	must(t, err)
	must(t, n.Dir.Add(p.Account, p.NameAfterNumber))
	return p
}

// asksAgain makes a phone say that it cannot decrypt a message. to is the chat and participant the sender in a group.
func asksAgain(n *network.Network, p *phones.Phone, to, participant types.JID, id string) {
	n.Router.RouteReceipt(accounts.Origin{Account: p.Account}, &waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{
		"id": id, "to": to, "participant": participant, "type": stanza.ReceiptRetry,
	}, Content: []waBinary.Node{{Tag: "retry", Attrs: waBinary.Attrs{"id": id, "count": "1"}}}})
}

func TestAMessageIsSentAgainOnlyToThoseItWasSentTo(t *testing.T) {
	n := newNetwork(t)
	ana, bea, stranger := newPhone(t, n), newPhone(t, n), newPhone(t, n)
	group, err := ana.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{bea.Number()}})
	must(t, err)
	for name, test := range map[string]struct {
		chat            string
		to, participant types.JID
	}{
		"between two": {bea.Number(), ana.LID(), types.EmptyJID},
		"in a group":  {group.String(), group, ana.LID()},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := ana.SendText(testContext(t), test.chat, "for you only")
			must(t, err)
			copies := func(count int) {
				t.Helper()
				_, err := bea.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && m.Copies == count })
				must(t, err)
			}
			copies(1)
			before := n.Observer.Snapshot().MessagesOut
			// The phone answers in order, so it has answered the stranger once its friend has the second copy.
			asksAgain(n, stranger, ana.LID(), types.EmptyJID, id)
			asksAgain(n, stranger, test.to, test.participant, id)
			asksAgain(n, bea, test.to, test.participant, id)
			copies(2)
			if again := n.Observer.Snapshot().MessagesOut - before; again != 1 || len(stranger.Messages()) != 0 {
				t.Errorf("%d messages were sent after three requests, and the stranger has %d", again, len(stranger.Messages()))
			}
		})
	}
}
