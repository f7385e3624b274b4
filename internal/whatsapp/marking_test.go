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

// TestARevocationIsNotHidden: there are reports that WhatsApp's server drops one that is. whatsmeow hides it.
func TestARevocationIsNotHidden(t *testing.T) {
	for name, test := range map[string]struct {
		own  bool
		edit string
	}{"an own message": {true, "7"}, "as an admin": {false, "8"}} {
		message := &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: &waCommon.MessageKey{ID: proto.String("x"), FromMe: &test.own},
		}}
		for form, build := range map[string]func(string) waBinary.Node{"first": groupMessage, "again": again} {
			var m marking
			m.expect("A", outbound.MarksOf(message))
			hidden := build("A")
			for _, one := range encs(&hidden) {
				one.Attrs["decrypt-fail"] = "hide"
			}
			node := rewritten(t, &m, hidden)
			for _, one := range encs(node) {
				if _, is := one.Attrs["decrypt-fail"]; is {
					t.Errorf("%s, %s: %s is hidden", name, form, one.Attrs["type"])
				}
			}
			if node.Attrs["edit"] != test.edit {
				t.Errorf("%s, %s: edit=%v", name, form, node.Attrs["edit"])
			}
		}
	}
}

// rewritten returns a stanza as it leaves, and checks that it would not be changed again.
func rewritten(t *testing.T, m *marking, node waBinary.Node) *waBinary.Node {
	t.Helper()
	frame := m.rewrite(frameOf(t, node))
	if !bytes.Equal(m.rewrite(frame), frame) {
		t.Error("it is marked twice")
	}
	left, err := waBinary.Unmarshal(frame[1:])
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestWhatWhatsmeowLeavesOutIsAdded: in messages that it sends again, and of some kinds in all.
func TestWhatWhatsmeowLeavesOutIsAdded(t *testing.T) {
	image := &waE2E.FutureProofMessage{Message: &waE2E.Message{ImageMessage: &waE2E.ImageMessage{}}}
	for name, message := range map[string]*waE2E.Message{
		"1": {ViewOnceMessage: image}, "2": {ViewOnceMessageV2: image}, "voice": {ViewOnceMessageV2Extension: image},
	} {
		var m marking
		m.expect("A", outbound.MarksOf(message))
		left := rewritten(t, &m, groupMessage("A"))
		if meta := left.GetChildByTag("meta"); meta.Attrs["view_once"] != "true" {
			t.Errorf("to be opened once, version %s: %s", name, left)
		}
	}

	link := &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{MatchedText: proto.String("https://shop.example")}}
	for form, build := range map[string]func(string) waBinary.Node{"first": groupMessage, "again": again} {
		var m marking
		m.expect("A", outbound.MarksOf(link))
		left := rewritten(t, &m, build("A"))
		for _, one := range encs(left) {
			want := one.Attrs["type"] != "pkmsg" // the key for the group's members
			if (one.Attrs["mediatype"] == "url") != want || left.Attrs["type"] != "media" {
				t.Errorf("a link, %s: %s", form, left)
			}
		}
	}

	var m marking
	marks := outbound.MarksOf(&waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{}})
	marks.Addressing = types.AddressingModePN
	m.expect("A", marks)
	if left := rewritten(t, &m, again("A")); left.Attrs["edit"] != "1" || left.Attrs["addressing_mode"] != "pn" {
		t.Errorf("an edit, again: %s", left)
	}
	m.expect("A", outbound.MarksOf(&waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{}}))
	if left := rewritten(t, &m, again("A")); left.Attrs["edit"] != "7" {
		t.Errorf("a reaction taken back, again: %s", left)
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
