package routing_test

import (
	"log/slog"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// inbox is a phone that only collects what it gets.
type inbox struct{ got []accounts.Delivery }

func (i *inbox) Take(d accounts.Delivery)     { i.got = append(i.got, d) }
func (*inbox) Name() string                   { return "" }
func (*inbox) Online() bool                   { return true }
func (*inbox) Bundle() (signal.Bundle, error) { return signal.Bundle{}, nil }
func (*inbox) Partners() []*accounts.Account  { return nil }
func (*inbox) Wake()                          {}
func (i *inbox) took(tag string) (stanzas int) {
	for _, d := range i.got {
		if d.Node.Tag == tag {
			stanzas++
		}
	}
	return stanzas
}

// talk is a group of two, and two accounts that are not in it.
type talk struct {
	net              *network.Network
	ana, bea         *accounts.Account // members; Ana is the admin
	stranger, victim *accounts.Account
	group            *groups.Group
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	n := network.New(network.Config{Log: slog.New(slog.DiscardHandler), MediaHost: func() string { return "" }})
	account := func() *accounts.Account {
		a := accounts.New(&inbox{}, "", nil, 1)
		if err := n.Dir.Add(a, func() {}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	k := &talk{net: n, ana: account(), bea: account(), stranger: account(), victim: account()}
	g, err := n.Groups.Create(k.ana, groups.Wish{Subject: "Friends", Addressing: groups.AddressingLID, Members: []*accounts.Account{k.bea}})
	if err != nil {
		t.Fatal(err)
	}
	k.group = g
	return k
}

func took(a *accounts.Account, tag string) int { return a.Phone.(*inbox).took(tag) }

// again sends a group message that was encrypted again for one account. It returns the error code of the ack.
func (k *talk) again(from, to *accounts.Account, content ...waBinary.Node) int {
	return k.net.Router.RouteMessage(accounts.Origin{Account: from}, &waBinary.Node{Tag: "message", Content: content, Attrs: waBinary.Attrs{
		"id": "3EB0AA", "to": k.group.JID, "type": "text", "participant": to.LIDJID(0),
	}}).Code
}

func TestAMessageSentAgainStaysInItsGroup(t *testing.T) {
	k := newTalk(t)
	enc := waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": "msg"}, Content: []byte{1}}
	for name, test := range map[string]struct {
		from, to *accounts.Account
		content  []waBinary.Node
		code     int
	}{
		"from one who is not in the group":              {k.stranger, k.bea, []waBinary.Node{enc}, 420},
		"from and for accounts that are not in it":      {k.stranger, k.victim, []waBinary.Node{enc}, 420},
		"from a member for one who is not in the group": {k.ana, k.victim, []waBinary.Node{enc}, 404},
		"without content":                               {k.ana, k.bea, nil, 400},
	} {
		if code := k.again(test.from, test.to, test.content...); code != test.code {
			t.Errorf("%s: the ack has the error %d, expected %d", name, code, test.code)
		}
		if n := took(test.to, "message"); n != 0 {
			t.Errorf("%s: %d messages arrived", name, n)
		}
	}
	if code := k.again(k.ana, k.bea, enc); code != 0 || took(k.bea, "message") != 1 {
		t.Errorf("between members: error %d, %d messages arrived", code, took(k.bea, "message"))
	}
	if err := k.net.Groups.SetSwitch(k.group, k.ana, "announcement"); err != nil {
		t.Fatal(err)
	}
	if code := k.again(k.bea, k.ana, enc); code != 403 || took(k.ana, "message") != 0 {
		t.Errorf("among announcements: error %d, %d messages arrived", code, took(k.ana, "message"))
	}
}

func TestReceiptsForAGroupComeFromItsMembers(t *testing.T) {
	k := newTalk(t)
	for _, kind := range []string{"", stanza.ReceiptRead, stanza.ReceiptRetry} {
		receipt := waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{"id": "3EB0AA", "to": k.group.JID, "participant": k.ana.LIDJID(0), "type": kind}}
		before := took(k.ana, "receipt")
		k.net.Router.RouteReceipt(accounts.Origin{Account: k.stranger}, &receipt)
		if took(k.ana, "receipt") != before {
			t.Errorf("a receipt %q of one who is not in the group arrived", kind)
		}
		k.net.Router.RouteReceipt(accounts.Origin{Account: k.bea}, &receipt)
		if took(k.ana, "receipt") != before+1 {
			t.Errorf("a receipt %q of a member did not arrive", kind)
		}
	}
}
