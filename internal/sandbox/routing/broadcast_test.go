package routing_test

import (
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
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
		reaction(nil, waBinary.Node{Tag: "meta"}), reaction(nil, waBinary.Node{Tag: "tctoken"}),
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
	if len(k.net.Groups.Of(k.bea)) != 1 || k.net.Groups.Find(list.Address()) != nil {
		t.Error("the list is one of a recipient's groups")
	}
}
