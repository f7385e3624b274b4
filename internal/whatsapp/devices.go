package whatsapp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/whatsapp/stanzas"
)

// flight is the message that is being sent: its stanza as it left, and what WhatsApp's acknowledgement says about it.
// whatsmeow tells its caller neither.
type flight struct {
	mu     sync.Mutex
	id     string
	stanza *waBinary.Node // nil until the stanza has left
	hash   string         // the hash of the right list of devices, if WhatsApp sent one
}

// begin starts to watch the message with this id, until the returned function is called.
func (f *flight) begin(id string) (done func()) {
	f.set(id)
	return func() { f.set("") }
}

func (f *flight) set(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id, f.stanza, f.hash = id, nil, ""
}

// left takes a stanza that is about to leave. It keeps the first one of the message: a later one answers a request to
// send the message again.
func (f *flight) left(node *waBinary.Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if node.Tag == "message" && f.stanza == nil && f.is(node) {
		f.stanza = node
	}
}

// arrived takes a stanza of WhatsApp's, before whatsmeow does.
func (f *flight) arrived(node *waBinary.Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if node.Tag == "ack" && f.is(node) {
		f.hash = node.AttrGetter().OptionalString("phash")
	}
}

// is reports whether a stanza has the message's id. The caller holds the lock.
func (f *flight) is(node *waBinary.Node) bool { return f.id != "" && node.Attrs["id"] == f.id }

// outcome returns the stanza that left, and the hash of the right list of devices if WhatsApp sent one.
func (f *flight) outcome() (stanza *waBinary.Node, hash string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stanza, f.hash
}

// copiesOf lists the devices that a message stanza has a copy for.
func copiesOf(stanza *waBinary.Node) []types.JID {
	list := stanza.GetChildByTag("participants")
	var devices []types.JID
	for _, one := range list.GetChildrenByTag("to") {
		if jid, is := one.Attrs["jid"].(types.JID); is {
			devices = append(devices, jid)
		}
	}
	return devices
}

// listHash returns the hash by which WhatsApp compares lists of devices (whatsmeow: participantListHashV2).
func listHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for i, jid := range devices {
		names[i] = jid.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}

// followDevices wraps whatsmeow's handler of stanzas. When a contact has linked or removed a device, the contact's lists
// of devices are dropped, and the next message asks for them again. whatsmeow itself looks for a list under the address
// in the notification only, which is the phone number, while its lists are under the LIDs.
func (s *sending) followDevices(tag string, handle stanzas.Handler) stanzas.Handler {
	if tag != "notification" {
		return handle
	}
	return func(ctx context.Context, node *waBinary.Node) {
		if node.Attrs["type"] == "devices" {
			s.dropLists(ctx, node.AttrGetter().OptionalJIDOrEmpty("from"), node.AttrGetter().OptionalJIDOrEmpty("lid"))
		}
		handle(ctx, node)
	}
}

// dropLists drops the lists of devices of some users, under both addresses of each.
func (s *sending) dropLists(ctx context.Context, users ...types.JID) {
	for _, user := range users {
		var other types.JID
		switch user.Server {
		case types.DefaultUserServer:
			other, _ = s.lids.GetLIDForPN(ctx, user) // without the other address there is no list under it
		case types.HiddenUserServer:
			other, _ = s.lids.GetPNForLID(ctx, user)
		}
		dropDeviceLists(s.wa, user.ToNonAD(), other.ToNonAD())
	}
}
