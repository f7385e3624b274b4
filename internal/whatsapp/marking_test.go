package whatsapp

import (
	"bytes"
	"fmt"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/whatsapp/outbound"
)

func enc(kind string) waBinary.Node {
	return waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": kind}, Content: []byte{1, 2, 3}}
}

// groupMessage is a message in a group as whatsmeow builds it.
func groupMessage(id string) waBinary.Node {
	return waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"id": id, "type": "text", "to": types.NewJID("123", types.GroupServer)}, Content: []waBinary.Node{
		{Tag: "participants", Content: []waBinary.Node{
			{Tag: "to", Attrs: waBinary.Attrs{"jid": types.JID{User: "1", Device: 2, Server: types.HiddenUserServer}}, Content: []waBinary.Node{enc("pkmsg")}},
		}},
		{Tag: "device-identity", Content: []byte{4}},
		enc("skmsg"),
	}}
}

// again is a message that whatsmeow sends again to one device.
func again(id string) waBinary.Node {
	return waBinary.Node{Tag: "message", Content: []waBinary.Node{enc("msg")}, Attrs: waBinary.Attrs{
		"id": id, "type": "text", "to": types.NewJID("123", types.GroupServer), "device_fanout": false, "t": 5,
	}}
}

func frameOf(t *testing.T, node waBinary.Node) []byte {
	t.Helper()
	frame, err := waBinary.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// encs returns all ciphertexts of a message.
func encs(node *waBinary.Node) (all []waBinary.Node) {
	for _, child := range node.GetChildren() {
		if child.Tag == "enc" {
			all = append(all, child)
		}
		all = append(all, encs(&child)...)
	}
	return all
}

func TestChangesAreMarkedOnEachCiphertext(t *testing.T) {
	key := &waCommon.MessageKey{ID: proto.String("x")}
	reaction := &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Key: key}}
	for name, test := range map[string]struct {
		message *waE2E.Message
		hide    bool
	}{
		"text":                               {&waE2E.Message{Conversation: proto.String("hi")}, false},
		"nothing":                            {nil, false},
		"a timer":                            {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_EPHEMERAL_SETTING.Enum()}}, false},
		"reaction":                           {reaction, true},
		"its copy for the own devices":       {&waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{Message: reaction}}, true},
		"in a chat whose messages disappear": {&waE2E.Message{EphemeralMessage: &waE2E.FutureProofMessage{Message: reaction}}, true},
		"edit":                               {&waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{}}, true},
		"vote":                               {&waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{}}, true},
		"revocation":                         {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key}}, true},
	} {
		for form, build := range map[string]func(string) waBinary.Node{"first": groupMessage, "again": again} {
			var m marking
			m.expect("A", outbound.MarksOf(test.message))
			frame := frameOf(t, build("A"))
			got := m.rewrite(frame)
			if bytes.Equal(got, frame) == test.hide {
				t.Errorf("%s, %s: changed %t", name, form, !test.hide)
			}
			node, err := waBinary.Unmarshal(got[1:])
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range encs(node) {
				if _, marked := one.Attrs["decrypt-fail"]; marked != test.hide {
					t.Errorf("%s, %s: %s is marked: %t", name, form, one.Attrs["type"], marked)
				}
			}
		}
	}
}

func TestOtherFramesStayAsTheyAre(t *testing.T) {
	var m marking
	hide := outbound.Marks{Hide: true}
	m.expect("A", hide)
	for name, frame := range map[string][]byte{
		"another message": frameOf(t, groupMessage("B")), "no message": frameOf(t, waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{"id": "A"}}),
		"nothing": {}, "broken": frameOf(t, groupMessage("A"))[:20],
	} {
		if !bytes.Equal(m.rewrite(frame), frame) {
			t.Errorf("%s was changed", name)
		}
	}
	for i := range 3 * maxExpected {
		m.expect(fmt.Sprint(i), hide)
	}
	if len(m.expected) != maxExpected || m.of(fmt.Sprint(3*maxExpected-1)) != hide {
		t.Errorf("%d messages are expected", len(m.expected))
	}
}

func TestAPollOfEachVersionIsMarked(t *testing.T) {
	poll := &waE2E.PollCreationMessage{}
	for name, message := range map[string]*waE2E.Message{
		"1": {PollCreationMessage: poll}, "2": {PollCreationMessageV2: poll}, "3": {PollCreationMessageV3: poll},
	} {
		for form, build := range map[string]func(string) waBinary.Node{"first": groupMessage, "again": again} {
			var m marking
			m.expect("A", outbound.MarksOf(message))
			marked := m.rewrite(frameOf(t, build("A")))
			node, err := waBinary.Unmarshal(marked[1:])
			if err != nil {
				t.Fatal(err)
			}
			if meta := node.GetChildByTag("meta"); node.Attrs["type"] != "poll" || meta.Attrs["polltype"] != "creation" {
				t.Errorf("version %s, %s: %s", name, form, node)
			}
			if !bytes.Equal(m.rewrite(marked), marked) {
				t.Errorf("version %s, %s: it is marked twice", name, form)
			}
		}
	}
}
