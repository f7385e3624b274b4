package routing_test

import (
	"maps"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/stanza"
)

func TestAReactionToAStatusIsForNamedDevicesAndHasNothingElse(t *testing.T) {
	k := newTalk(t)
	reaction := func(attrs waBinary.Attrs, more ...waBinary.Node) int {
		all := waBinary.Attrs{"id": stanza.NewMessageID(), "to": types.StatusBroadcastJID, "type": "reaction"}
		for name, value := range attrs {
			all[name] = value
		}
		to := waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": k.bea.LIDJID(0)}, Content: []waBinary.Node{{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": "msg"}, Content: []byte{1}}}}
		node := waBinary.Node{Tag: "message", Attrs: all, Content: append([]waBinary.Node{{Tag: "participants", Content: []waBinary.Node{to}}}, more...)}
		return k.net.Router.RouteMessage(accounts.Origin{Account: k.ana}, &node).Code
	}
	if code := reaction(nil); code != 0 || took(k.bea, "message") != 1 {
		t.Errorf("code %d, the author has %d", code, took(k.bea, "message"))
	}
	for _, code := range []int{
		reaction(waBinary.Attrs{"type": "text"}), reaction(waBinary.Attrs{"peer_recipient_pn": k.bea.JID(0)}),
		reaction(nil, waBinary.Node{Tag: "meta"}), reaction(nil, waBinary.Node{Tag: "tctoken"}), reaction(nil, waBinary.Node{Tag: "cstoken"}),
	} {
		if code != 479 || took(k.bea, "message") != 1 {
			t.Errorf("code %d, the author has %d", code, took(k.bea, "message"))
		}
	}
}

func TestAListIsWrittenByItsOwnerAndItsRecipientsDoNotSeeEachOther(t *testing.T) {
	k := newTalk(t)
	list, err := k.net.Groups.Lists.Create(k.ana, []*accounts.Account{k.bea, k.victim})
	if err != nil {
		t.Fatal(err)
	}
	node := k.toGroup(nil, waBinary.Attrs{"to": list.Address()})
	if told := k.net.Router.RouteMessage(accounts.Origin{Account: k.bea}, node); told.Code != 403 {
		t.Errorf("a recipient writes: %+v", told)
	}
	if told := k.net.Router.RouteMessage(accounts.Origin{Account: k.ana}, node); told.Code != 0 || took(k.bea, "message") != 1 || took(k.victim, "message") != 1 {
		t.Errorf("the owner writes: %+v", told)
	}
	// The owner's own phone learns to whom a linked device wrote, and nobody else does.
	if told := k.net.Router.RouteMessage(accounts.Origin{Account: k.ana, Device: 1}, node); told.Code != 0 || took(k.ana, "message") != 1 {
		t.Errorf("the owner writes at a linked device: %+v", told)
	}
	for _, a := range []*accounts.Account{k.ana, k.bea, k.victim} {
		for _, d := range a.Phone.(*inbox).got {
			if list, told := d.Node.GetOptionalChildByTag("participants"); told != (a == k.ana) || told && len(list.GetChildren()) != 2 {
				t.Errorf("%s is told %s", a.Number, &d.Node)
			}
		}
	}
	if len(k.net.Groups.Of(k.bea)) != 1 || k.net.Groups.Find(list.Address()) != nil {
		t.Error("the list is one of a recipient's groups")
	}
}

func TestPostsAndReactionsAreSaved(t *testing.T) {
	k := newTalk(t)
	saved := func() (records int) {
		t.Helper()
		if err := k.net.Channels.Collect(false, func(string, any) error { records++; return nil }); err != nil {
			t.Fatal(err)
		}
		return records
	}
	channel, err := k.net.Channels.Create(k.ana, "News", []*accounts.Account{k.bea})
	if err != nil {
		t.Fatal(err)
	}
	react := func(emoji string, attrs waBinary.Attrs) func() int {
		return func() int {
			node := waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"id": stanza.NewMessageID(), "to": channel, "type": "reaction", "server_id": "1"}}
			maps.Copy(node.Attrs, attrs)
			node.Content = []waBinary.Node{{Tag: "reaction", Attrs: waBinary.Attrs{"code": emoji}}}
			return k.net.Router.RouteMessage(accounts.Origin{Account: k.bea, Device: 1}, &node).Code
		}
	}
	for _, change := range []struct {
		name string
		make func() int
	}{
		{"the channel", func() int { return 0 }},
		{"a post", func() int {
			if err := k.net.Channels.Publish(k.ana, channel, channels.Draft{ID: "3EB0P1", Type: "text"}); err != nil {
				t.Fatal(err)
			}
			return 0
		}},
		{"a reaction", react("💚", nil)},
		{"a reaction that is taken back", react("", waBinary.Attrs{"edit": "7"})},
	} {
		if code, first, again := change.make(), saved(), saved(); code != 0 || first != 1 || again != 0 {
			t.Errorf("%s: code %d, %d records are saved, and then %d", change.name, code, first, again)
		}
	}
}
