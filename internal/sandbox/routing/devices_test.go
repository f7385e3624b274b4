package routing_test

import (
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/stanza"
)

// link adds a linked device to an account.
func (k *talk) link(t *testing.T, a *accounts.Account) *accounts.Device {
	t.Helper()
	id, index, ok := k.net.Dir.Reserve(a)
	dev := &accounts.Device{Account: a, ID: id, KeyIndex: index}
	if !ok || !k.net.Dir.Link(dev) {
		t.Fatal("no device")
	}
	return dev
}

// toGroup is a group message of Ana's with copies for some devices, and the list of devices that she knows.
func (k *talk) toGroup(known []types.JID, attrs waBinary.Attrs, copies ...types.JID) *waBinary.Node {
	enc := func(kind string) waBinary.Node {
		return waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": kind}, Content: []byte{1}}
	}
	list := waBinary.Node{Tag: "participants"}
	var to []waBinary.Node
	for _, jid := range copies {
		to = append(to, waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": jid}, Content: []waBinary.Node{enc("msg")}})
	}
	list.Content = to
	all := waBinary.Attrs{"id": stanza.NewMessageID(), "to": k.group.JID, "type": "text"}
	if known != nil {
		all["phash"] = stanza.ParticipantHash(known)
	}
	for name, value := range attrs {
		all[name] = value
	}
	return &waBinary.Node{Tag: "message", Attrs: all, Content: []waBinary.Node{list, enc("skmsg")}}
}

func TestADeviceThatTheSenderDoesNotKnowGetsNothing(t *testing.T) {
	k := newTalk(t)
	from := accounts.Origin{Account: k.ana}
	known := []types.JID{k.ana.LIDJID(0), k.bea.LIDJID(0)}
	dev := k.link(t, k.bea)
	right := append(known[:2:2], k.bea.LIDJID(dev.ID))
	if told := k.net.Router.RouteMessage(from, k.toGroup(known, nil, k.bea.LIDJID(0))); told.Phash != stanza.ParticipantHash(right) || told.Code != 0 {
		t.Errorf("the sender is told %+v", told)
	}
	if took(k.bea, "message") != 1 || dev.QueueLength() != 0 {
		t.Errorf("the phone has %d messages, the device %d", took(k.bea, "message"), dev.QueueLength())
	}
	// The message is sent again, to the device alone.
	if told := k.net.Router.RouteMessage(from, k.toGroup(nil, waBinary.Attrs{"device_fanout": "false"}, k.bea.LIDJID(dev.ID))); told.Phash != "" || told.Code != 0 {
		t.Errorf("the sender is told %+v", told)
	}
	if took(k.bea, "message") != 1 || dev.QueueLength() != 1 {
		t.Errorf("the phone has %d messages, the device %d", took(k.bea, "message"), dev.QueueLength())
	}
	// A sender that knows all devices, or does not say which it knows, reaches all with what they share.
	for _, node := range []*waBinary.Node{k.toGroup(right, nil), k.toGroup(nil, nil)} {
		if told := k.net.Router.RouteMessage(from, node); told.Phash != "" || told.Code != 0 {
			t.Errorf("the sender is told %+v", told)
		}
	}
	if took(k.bea, "message") != 3 || dev.QueueLength() != 3 {
		t.Errorf("the phone has %d messages, the device %d", took(k.bea, "message"), dev.QueueLength())
	}
}

func TestAcquaintancesAreToldOfDevices(t *testing.T) {
	k := newTalk(t)
	ana, own, stranger := k.link(t, k.ana), k.link(t, k.bea), k.link(t, k.stranger)
	changed := k.link(t, k.bea)
	k.net.Router.AnnounceDevice(changed, "add")
	if ana.QueueLength() != 1 || own.QueueLength() != 1 || stranger.QueueLength() != 0 || changed.QueueLength() != 0 {
		t.Errorf("member %d, own %d, stranger %d, itself %d", ana.QueueLength(), own.QueueLength(), stranger.QueueLength(), changed.QueueLength())
	}
	if _, err := k.net.Faults.Add(faults.Fault{Kind: faults.WithholdDevices, Account: k.bea.Number}); err != nil {
		t.Fatal(err)
	}
	if !k.net.Links.Unlink(changed, "test", false) || ana.QueueLength() != 1 || own.QueueLength() != 1 {
		t.Errorf("with the fault: member %d, own %d", ana.QueueLength(), own.QueueLength())
	}
}
