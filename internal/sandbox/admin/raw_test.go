package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/wire"
)

func TestAMessageIsShownAsItCame(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "read")
	f.addPhone(brunoNumber, "read")
	c := f.link(anaNumber)
	friend, _ := f.server.Phone(brunoNumber)
	sent := &waE2E.Message{Conversation: proto.String("hola")}
	// A field that no version knows.
	sent.ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 1})
	response, err := c.cli.SendMessage(t.Context(), friend.LID(), sent)
	must(t, err)
	f.shows(brunoNumber, `"text":"hola"`)
	f.shows(anaNumber, `"text":"hola"`)

	var theirs, own rawBody
	must(t, json.Unmarshal([]byte(f.get("/phones/"+brunoNumber+"/messages/"+response.ID+"/raw").body), &theirs))
	must(t, json.Unmarshal([]byte(f.get("/phones/"+anaNumber+"/messages/"+response.ID+"/raw").body), &own))
	var got waE2E.Message
	must(t, proto.Unmarshal(theirs.Parts[0].Protobuf, &got))
	if !proto.Equal(&got, sent) || len(theirs.Parts) != 1 || theirs.Parts[0].Device != c.cli.Store.ID.String() {
		t.Errorf("the friend's phone got %+v", theirs.Parts)
	}
	if content := string(own.Parts[0].Content); !strings.Contains(content, `"deviceSentMessage":{"destinationJID":"`+friend.LID().String()+`"`) {
		t.Errorf("the own phone got %s", content)
	}
	node, err := wire.DecodeNode(theirs.Stanzas[0].Data)
	must(t, err)
	participants := node.GetChildByTag("participants")
	if len(theirs.Stanzas) != 1 || node.Attrs["to"] != friend.LID() || len(participants.GetChildren()) != 2 || !strings.HasPrefix(theirs.Stanzas[0].XML, "<message ") {
		t.Errorf("the stanza is %s", node)
	}

	must(t, c.cli.SendChatPresence(t.Context(), friend.LID(), types.ChatPresenceComposing, ""))
	f.comes("/phones/"+anaNumber+"/stanzas", `"tag":"chatstate"`)
	if list := f.get("/phones/" + brunoNumber + "/stanzas").body; list != `{"stanzas":[]}` {
		t.Errorf("a phone without linked devices lists %s", list)
	}
	f.get("/phones/"+anaNumber+"/messages/3EB0/raw").is(t, 404,
		`{"error":{"code":"message_not_found","message":"the phone has lately decrypted no such message of a linked device","field":"id"}}`)
}
