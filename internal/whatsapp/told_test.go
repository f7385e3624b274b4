package whatsapp_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/sandbox/kinds"
	"wasup/internal/sandbox/phones"
)

// tells makes the peer send a message as it is encoded, and compares its event: the type, and the content as JSON. In
// want, ID is the given id, PEER and OWN are addresses.
func (h *hearing) tells(name string, m *waE2E.Message, id string, of events.Type, want string) {
	h.t.Helper()
	raw, err := proto.Marshal(m)
	h.must(err)
	h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindRaw, Raw: raw})
	var event events.Event
	for event = h.nextAny(); event.Type == events.TypeReceipt; event = h.nextAny() {
	}
	peer, err := json.Marshal(addressOf(h.peer))
	h.must(err)
	want = strings.NewReplacer(`"ID"`, `"`+id+`"`, `"PEER"`, string(peer)).Replace(want)
	var data struct {
		Content json.RawMessage `json:"content"`
	}
	h.must(json.Unmarshal(event.Data, &data))
	if event.Type != of || string(data.Content) != want {
		h.t.Errorf("%s is told as %s\n%s, want %s\n%s", name, event.Type, data.Content, of, want)
	}
}

// nextAny waits for the next event of any type.
func (h *hearing) nextAny() events.Event {
	h.t.Helper()
	ctx := testContext(h.t)
	for {
		found, _, err := h.store.Events().Read(ctx, events.Query{Session: "51", After: h.known})
		h.must(err)
		if len(found) > 0 {
			h.known = found[0].Pos
			return found[0]
		}
		select {
		case <-h.store.Events().Appended():
		case <-ctx.Done():
			h.t.Fatal("no event came")
		}
	}
}

// keyOf returns the key of a message in the chat with the session's account.
func (h *hearing) keyOf(id string, byPeer bool) *waCommon.MessageKey {
	return &waCommon.MessageKey{ID: proto.String(id), FromMe: proto.Bool(byPeer), RemoteJID: proto.String(h.own.LID().ToNonAD().String())}
}

func saying(text string, info *waE2E.ContextInfo) *waE2E.Message {
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: &text, ContextInfo: info}}
}

func TestWhatCannotBeDecryptedIsToldAsUnknown(t *testing.T) {
	h := newHearing(t)
	id, _, _ := h.hear(phones.Outgoing{Text: "base"}, events.TypeMessage)
	sealed, nonce := bytes.Repeat([]byte("x"), 40), []byte("123456789012")
	theirs := h.keyOf(id, true)
	secret := func(of waE2E.SecretEncryptedMessage_SecretEncType) *waE2E.Message {
		return &waE2E.Message{SecretEncryptedMessage: &waE2E.SecretEncryptedMessage{TargetMessageKey: theirs, EncPayload: sealed, EncIV: nonce, SecretEncType: of.Enum()}}
	}
	for name, m := range map[string]*waE2E.Message{
		"encReactionMessage":                         {EncReactionMessage: &waE2E.EncReactionMessage{TargetMessageKey: theirs, EncPayload: sealed, EncIV: nonce}},
		"encCommentMessage":                          {EncCommentMessage: &waE2E.EncCommentMessage{TargetMessageKey: theirs, EncPayload: sealed, EncIV: nonce}},
		"encEventResponseMessage":                    {EncEventResponseMessage: &waE2E.EncEventResponseMessage{EventCreationMessageKey: theirs, EncPayload: sealed, EncIV: nonce}},
		"encEventResponseMessage of an absurd nonce": {EncEventResponseMessage: &waE2E.EncEventResponseMessage{EventCreationMessageKey: theirs, EncPayload: sealed, EncIV: []byte("short")}},
		"pollUpdateMessage":                          {PollUpdateMessage: &waE2E.PollUpdateMessage{PollCreationMessageKey: theirs, Vote: &waE2E.PollEncValue{EncPayload: sealed, EncIV: nonce}}},
		"secretEncryptedMessage":                     secret(waE2E.SecretEncryptedMessage_MESSAGE_EDIT),
		"secretEncryptedMessage/EVENT_EDIT":          secret(waE2E.SecretEncryptedMessage_EVENT_EDIT),
	} {
		unknown, _, _ := strings.Cut(name, " ")
		h.tells(name, m, id, events.TypeMessage, `{"kind":"unknown","target":{"id":"ID","sender":"PEER","from_me":false},"unknown":"`+unknown+`"}`)
	}
	h.noSurprises()
}

func TestAnEditOfWhatIsNoTextBlanksNothing(t *testing.T) {
	h := newHearing(t)
	id, _, _ := h.hear(phones.Outgoing{Text: "base"}, events.TypeMessage)
	edit := func(now *waE2E.Message) *waE2E.Message {
		return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: h.keyOf(id, true), EditedMessage: now,
		}}}}
	}
	for name, now := range map[string]*waE2E.Message{
		"nothing":    nil,
		"empty":      {},
		"a sticker":  {StickerMessage: &waE2E.StickerMessage{}},
		"a location": {LocationMessage: &waE2E.LocationMessage{DegreesLatitude: proto.Float64(1), DegreesLongitude: proto.Float64(2)}},
		"a poll":     {PollCreationMessageV3: &waE2E.PollCreationMessage{Name: proto.String("Q")}},
		"a voice":    {AudioMessage: &waE2E.AudioMessage{PTT: proto.Bool(true)}},
	} {
		h.tells(name, edit(now), id, events.TypeMessage, `{"kind":"unknown","target":{"id":"ID","sender":"PEER","from_me":false},"unknown":"protocolMessage/MESSAGE_EDIT"}`)
	}
	edited := func(name string, now *waE2E.Message, text, more string) {
		h.t.Helper()
		h.tells(name, edit(now), id, events.TypeEdited, `{"kind":"edit"`+text+`,"target":{"id":"ID","sender":"PEER","from_me":false}`+more+`}`)
	}
	edited("a text", &waE2E.Message{Conversation: proto.String("new")}, `,"text":"new"`, ``)
	edited("a caption", &waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: proto.String("new")}}, `,"text":"new"`, ``)
	edited("a caption that was removed", &waE2E.Message{ImageMessage: &waE2E.ImageMessage{}}, ``, ``)
	edited("a link", &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String("see https://a.b"), MatchedText: proto.String("https://a.b"), Title: proto.String("T"),
	}}, `,"text":"see https://a.b","preview":{"url":"https://a.b","title":"T"}`, ``)
	edited("an offer", &waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{
		Body: &waE2E.InteractiveMessage_Body{Text: proto.String("new body")}, Footer: &waE2E.InteractiveMessage_Footer{Text: proto.String("f")},
	}}, `,"text":"new body"`, `,"interactive":{"type":"plain","footer":"f"}`)
	h.noSurprises()
}

func TestAChangeThatNamesNoMessageIsUnknown(t *testing.T) {
	h := newHearing(t)
	id, _, _ := h.hear(phones.Outgoing{Text: "base"}, events.TypeMessage)
	nobody := &waCommon.MessageKey{FromMe: proto.Bool(true)}
	for name, m := range map[string]*waE2E.Message{
		"reactionMessage":         {ReactionMessage: &waE2E.ReactionMessage{Text: proto.String("👍")}},
		"reactionMessage of none": {ReactionMessage: &waE2E.ReactionMessage{Text: proto.String("👍"), Key: nobody}},
		"pinInChatMessage":        {PinInChatMessage: &waE2E.PinInChatMessage{Type: waE2E.PinInChatMessage_PIN_FOR_ALL.Enum()}},
		"keepInChatMessage":       {KeepInChatMessage: &waE2E.KeepInChatMessage{KeepType: waE2E.KeepType_KEEP_FOR_ALL.Enum(), Key: nobody}},
		"commentMessage":          {CommentMessage: &waE2E.CommentMessage{Message: saying("x", nil)}},
		"pollUpdateMessage":       {PollUpdateMessage: &waE2E.PollUpdateMessage{}},
		"encEventResponseMessage": {EncEventResponseMessage: &waE2E.EncEventResponseMessage{}},
		"protocolMessage/REVOKE":  {ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: nobody}},
		"protocolMessage/MESSAGE_EDIT": {ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: nobody, EditedMessage: saying("x", nil),
		}},
	} {
		unknown, _, _ := strings.Cut(name, " ")
		more := ""
		if m.ProtocolMessage != nil { // nobody is the author of no message
			more = `,"unauthorized":true`
		}
		h.tells(name, m, "", events.TypeMessage, `{"kind":"unknown","unknown":"`+unknown+`"`+more+`}`)
	}
	for name, m := range map[string]*waE2E.Message{
		"pinInChatMessage":  {PinInChatMessage: &waE2E.PinInChatMessage{Key: h.keyOf(id, true)}},
		"keepInChatMessage": {KeepInChatMessage: &waE2E.KeepInChatMessage{Key: h.keyOf(id, true), KeepType: waE2E.KeepType_UNKNOWN_KEEP_TYPE.Enum()}},
	} {
		h.tells(name, m, id, events.TypeMessage, `{"kind":"unknown","target":{"id":"ID","sender":"PEER","from_me":false},"unknown":"`+name+`"}`)
	}
	h.noSurprises()
}

func TestAnEventAtAPlaceWithoutCoordinatesHasItsName(t *testing.T) {
	h := newHearing(t)
	event := func(place *waE2E.LocationMessage) *waE2E.Message {
		return &waE2E.Message{EventMessage: &waE2E.EventMessage{Name: proto.String("Dinner"), Location: place}}
	}
	for name, c := range map[string]struct {
		place *waE2E.LocationMessage
		want  string
	}{
		"a name":       {&waE2E.LocationMessage{Name: proto.String("Da Mario")}, `"location":{"name":"Da Mario"},`},
		"both 0":       {&waE2E.LocationMessage{Name: proto.String("Da Mario"), DegreesLatitude: proto.Float64(0), DegreesLongitude: proto.Float64(0)}, `"location":{"name":"Da Mario"},`},
		"half":         {&waE2E.LocationMessage{Name: proto.String("Da Mario"), DegreesLatitude: proto.Float64(41)}, `"location":{"name":"Da Mario"},`},
		"off":          {&waE2E.LocationMessage{Address: proto.String("Via Roma"), DegreesLatitude: proto.Float64(999), DegreesLongitude: proto.Float64(1)}, `"location":{"address":"Via Roma"},`},
		"the equator":  {&waE2E.LocationMessage{DegreesLatitude: proto.Float64(0), DegreesLongitude: proto.Float64(9.5)}, `"location":{"latitude":0,"longitude":9.5},`},
		"no place":     {&waE2E.LocationMessage{}, ``},
		"none at all":  {nil, ``},
		"another link": {&waE2E.LocationMessage{URL: proto.String("https://a.b")}, `"location":{"url":"https://a.b"},`},
	} {
		h.tells(name, event(c.place), "", events.TypeMessage, `{"kind":"event","event":{"name":"Dinner",`+c.want+`"cancelled":false}}`)
	}
	h.noSurprises()
}

func TestAQuoteSaysWhatItIsAbout(t *testing.T) {
	h := newTrusting(t)
	id, _, _ := h.hear(phones.Outgoing{Text: "hola"}, events.TypeMessage)
	peer := proto.String(h.peer.LID().ToNonAD().String())
	quoting := func(id string, quoted *waE2E.Message) *waE2E.Message {
		return saying("re", &waE2E.ContextInfo{StanzaID: &id, Participant: peer, QuotedMessage: quoted})
	}
	h.tells("only the id of what is known", quoting(id, nil), id, events.TypeMessage,
		`{"kind":"text","text":"re","quote":{"id":"ID","sender":"PEER","from_me":false,"text":"hola","kind":"text"}}`)
	h.tells("only the id of what is not known", quoting("GONE", nil), id, events.TypeMessage, `{"kind":"text","text":"re"}`)
	for name, c := range map[string]struct {
		quoted *waE2E.Message
		want   string
	}{
		"a location": {&waE2E.Message{LocationMessage: &waE2E.LocationMessage{
			Name: proto.String("Obelisco"), DegreesLatitude: proto.Float64(1), DegreesLongitude: proto.Float64(2),
		}}, `"text":"Obelisco","kind":"location"`},
		"a contact":  {&waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String("Bob"), Vcard: proto.String("x")}}, `"text":"Bob","kind":"contact"`},
		"a comment":  {&waE2E.Message{CommentMessage: &waE2E.CommentMessage{Message: saying("all day?", nil)}}, `"text":"all day?","kind":"comment"`},
		"a document": {&waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{FileName: proto.String("order.pdf")}}, `"text":"order.pdf","kind":"document"`},
		"a title":    {&waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{Title: proto.String("order.pdf")}}, `"text":"order.pdf","kind":"document"`},
	} {
		h.tells(name, quoting("Q1", c.quoted), id, events.TypeMessage, `{"kind":"text","text":"re","quote":{"id":"Q1","sender":"PEER","from_me":false,`+c.want+`,"claimed":true}}`)
	}
	h.noSurprises()
}

func TestAForwardedMessageSaysSo(t *testing.T) {
	h := newHearing(t)
	_, _, event := h.hear(phones.Outgoing{Text: "look", Forwarded: &kinds.Forwarded{Times: 7}}, events.TypeMessage)
	if want := `"content":{"kind":"text","text":"look","forwarded":{"times":7}}`; !bytes.Contains(event.Data, []byte(want)) {
		t.Errorf("told as %s", event.Data)
	}
	news := &kinds.Forwarded{Times: 1, Channel: "120363400000000001@newsletter", ChannelName: "News", Post: 12}
	_, _, event = h.hear(phones.Outgoing{
		Kind: phones.KindImage, Text: "look", Forwarded: news, Media: &phones.Attachment{MIME: "image/png", Data: []byte(pixel)},
	}, events.TypeMessage)
	want := `"forwarded":{"times":1,"channel":{"channel":"120363400000000001@newsletter"},"channel_name":"News","server_id":12}`
	if !bytes.Contains(event.Data, []byte(want)) {
		t.Errorf("told as %s", event.Data)
	}
	h.tells("absurd", saying("x", &waE2E.ContextInfo{
		ForwardingScore: proto.Uint32(math.MaxUint32), ForwardedNewsletterMessageInfo: &waE2E.ContextInfo_ForwardedNewsletterMessageInfo{
			NewsletterJID: proto.String("34600@s.whatsapp.net"), NewsletterName: proto.String(strings.Repeat("x", 2000)), ServerMessageID: proto.Int32(-1),
		},
	}), "", events.TypeMessage, `{"kind":"text","text":"x","forwarded":{"times":10000,"channel_name":"`+strings.Repeat("x", 1024)+`"}}`)
	h.noSurprises()
}

func TestWhatTheAppsMarkIsTold(t *testing.T) {
	h := newHearing(t)
	wrapped := func(m *waE2E.Message) *waE2E.FutureProofMessage { return &waE2E.FutureProofMessage{Message: m} }
	options := []*waE2E.PollCreationMessage_Option{{OptionName: proto.String("a")}, {OptionName: proto.String("b")}}
	quiz := &waE2E.PollCreationMessage{
		Name: proto.String("Q"), Options: options, SelectableOptionsCount: proto.Uint32(1), PollType: waE2E.PollType_QUIZ.Enum(), CorrectAnswer: options[1],
		EndTime: proto.Int64(1_800_000_000), HideParticipantName: proto.Bool(true),
	}
	told := `{"kind":"poll","poll":{"question":"Q","options":["a","b"],"selectable":1,"quiz":true,"correct":"b","ends_at":"2027-01-15T08:00:00Z","hidden_names":true}}`
	h.tells("a quiz", &waE2E.Message{PollCreationMessageV5: quiz}, "", events.TypeMessage, told)
	quiz.EndTime = proto.Int64(1_800_000_000_000)
	h.tells("a quiz with milliseconds", &waE2E.Message{PollCreationMessageV5: quiz}, "", events.TypeMessage, told)
	h.tells("a mention of all", saying("@all", &waE2E.ContextInfo{NonJIDMentions: proto.Uint32(1)}), "", events.TypeMessage, `{"kind":"text","text":"@all","mentions_all":true}`)
	h.tells("a mention of a group", &waE2E.Message{GroupMentionedMessage: wrapped(saying("@Friends", &waE2E.ContextInfo{GroupMentions: []*waE2E.GroupMention{
		{GroupJID: proto.String("120363@g.us"), GroupSubject: proto.String("Friends")}, {GroupJID: proto.String("34600@s.whatsapp.net")},
	}}))}, "", events.TypeMessage, `{"kind":"text","text":"@Friends","group_mentions":[{"group":{"group":"120363@g.us"},"name":"Friends"}]}`)
	h.tells("a spoiler", &waE2E.Message{SpoilerMessage: wrapped(saying("he dies", nil))}, "", events.TypeMessage, `{"kind":"text","text":"he dies","spoiler":true}`)
	h.tells("a question", &waE2E.Message{QuestionMessage: wrapped(saying("why?", nil))}, "", events.TypeMessage, `{"kind":"text","text":"why?","question":true}`)
	h.noSurprises()
}
