package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/jpeg"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/phones"
)

// shapeFiles are the files that both clients send, in base64.
func shapeFiles(t *testing.T) map[string]string {
	t.Helper()
	named := files(t)
	for name, file := range map[string]string{"film": "film.mp4", "sound": "sound.m4a"} {
		data, err := os.ReadFile(filepath.Join("..", "media", "outgoing", "container", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		named[name] = data
	}
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewGray(image.Rect(0, 0, 32, 20)), nil); err != nil {
		t.Fatal(err)
	}
	named["thumb"] = small.Bytes()
	named["sticker"] = []byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\x01\x00\xff\x01\x00ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	named["wave"] = bytes.Repeat([]byte{0, 50, 100, 50}, 16)
	encoded := make(map[string]string)
	for name, data := range named {
		encoded[name] = base64.StdEncoding.EncodeToString(data)
	}
	return encoded
}

const card = "BEGIN:VCARD\\nVERSION:3.0\\nFN:Dora\\nTEL:+5491155550102\\nEND:VCARD"

// shapeCases are all kinds that wasup can send, each with what Baileys has to be told to send the same.
func shapeCases(t *testing.T) []shapeCase {
	t.Helper()
	cases := []shapeCase{
		{name: "text", alsoThere: true, wasup: `"text":"hello"`, baileys: `{"text":"hello"}`},
		{
			name:    "link",
			wasup:   `"text":"See https://shop.example/1","preview":{"url":"https://shop.example/1","title":"The shop","description":"Open","thumbnail":"@thumb"}`,
			baileys: `{"text":"See https://shop.example/1","linkPreview":{"matched-text":"https://shop.example/1","title":"The shop","description":"Open","jpegThumbnail":{"$bytes":"@thumb"}}}`,
		},
		{
			name:    "link without a title",
			wasup:   `"text":"See https://shop.example/1","preview":{"url":"https://shop.example/1"}`,
			baileys: `{"text":"See https://shop.example/1","linkPreview":{"matched-text":"https://shop.example/1"}}`,
		},
		{name: "mention", wasup: `"text":"@%{carla's user} hello","mentions":["%{carla}"]`, baileys: `{"text":"@%{carla's user} hello","mentions":["%{carla}"]}`},
		{
			name:    "image",
			wasup:   `"kind":"image","text":"look","media":{"base64":"@a.png","thumbnail":"@thumb"}`,
			baileys: `{"image":{"$bytes":"@a.png"},"mimetype":"image/png","caption":"look","width":320,"height":200,"jpegThumbnail":{"$bytes":"@thumb"}}`,
		},
		{
			name:    "image without a caption",
			wasup:   `"kind":"image","media":{"base64":"@a.png","thumbnail":"@thumb"}`,
			baileys: `{"image":{"$bytes":"@a.png"},"mimetype":"image/png","width":320,"height":200,"jpegThumbnail":{"$bytes":"@thumb"}}`,
		},
		{
			name:    "image to view once",
			wasup:   `"kind":"image","media":{"base64":"@a.png","thumbnail":"@thumb","view_once":true}`,
			baileys: `{"image":{"$bytes":"@a.png"},"mimetype":"image/png","viewOnce":true,"width":320,"height":200,"jpegThumbnail":{"$bytes":"@thumb"}}`,
		},
		{
			name:    "video",
			wasup:   `"kind":"video","text":"look","media":{"base64":"@film","width":64,"height":48,"seconds":2,"thumbnail":"@thumb"}`,
			baileys: `{"video":{"$bytes":"@film"},"mimetype":"video/mp4","caption":"look","width":64,"height":48,"seconds":2,"jpegThumbnail":{"$bytes":"@thumb"}}`,
		},
		{
			name:    "video to view once",
			wasup:   `"kind":"video","media":{"base64":"@film","width":64,"height":48,"seconds":2,"thumbnail":"@thumb","view_once":true}`,
			baileys: `{"video":{"$bytes":"@film"},"mimetype":"video/mp4","viewOnce":true,"width":64,"height":48,"seconds":2,"jpegThumbnail":{"$bytes":"@thumb"}}`,
		},
		{
			name:    "gif",
			wasup:   `"kind":"video","media":{"base64":"@film","width":64,"height":48,"seconds":2,"thumbnail":"@thumb","animated":true}`,
			baileys: `{"video":{"$bytes":"@film"},"mimetype":"video/mp4","gifPlayback":true,"width":64,"height":48,"seconds":2,"jpegThumbnail":{"$bytes":"@thumb"}}`,
		},
		{name: "audio", wasup: `"kind":"audio","media":{"base64":"@sound","seconds":2}`, baileys: `{"audio":{"$bytes":"@sound"},"mimetype":"audio/mp4","seconds":2}`},
		{
			name:    "voice",
			wasup:   `"kind":"voice","media":{"base64":"@a.ogg","seconds":2,"waveform":"@wave"}`,
			baileys: `{"audio":{"$bytes":"@a.ogg"},"mimetype":"audio/ogg; codecs=opus","ptt":true,"seconds":2,"waveform":{"$bytes":"@wave"}}`,
		},
		{
			name:    "voice to hear once",
			wasup:   `"kind":"voice","media":{"base64":"@a.ogg","seconds":2,"waveform":"@wave","view_once":true}`,
			baileys: `{"audio":{"$bytes":"@a.ogg"},"mimetype":"audio/ogg; codecs=opus","ptt":true,"viewOnce":true,"seconds":2,"waveform":{"$bytes":"@wave"}}`,
		},
		{
			name:    "document",
			wasup:   `"kind":"document","media":{"base64":"@a.pdf","name":"offer.pdf"}`,
			baileys: `{"document":{"$bytes":"@a.pdf"},"mimetype":"application/pdf","fileName":"offer.pdf","title":"offer.pdf"}`,
		},
		{
			name:    "document with a caption",
			wasup:   `"kind":"document","text":"our offer","media":{"base64":"@a.pdf","name":"offer.pdf"}`,
			baileys: `{"document":{"$bytes":"@a.pdf"},"mimetype":"application/pdf","fileName":"offer.pdf","title":"offer.pdf","caption":"our offer"}`,
		},
		{
			name:    "sticker",
			wasup:   `"kind":"sticker","media":{"base64":"@sticker"}`,
			baileys: `{"sticker":{"$bytes":"@sticker"},"mimetype":"image/webp","isAnimated":true,"width":512,"height":512}`,
		},
		{
			name:    "location",
			wasup:   `"location":{"latitude":-34.6,"longitude":-58.38,"name":"Obelisco","address":"9 de Julio","url":"https://shop.example"}`,
			baileys: `{"location":{"degreesLatitude":-34.6,"degreesLongitude":-58.38,"name":"Obelisco","address":"9 de Julio","url":"https://shop.example"}}`,
		},
		{name: "contact", wasup: `"contacts":[{"name":"Dora","vcard":"` + card + `"}]`, baileys: `{"contacts":{"contacts":[{"displayName":"Dora","vcard":"` + card + `"}]}}`},
		{
			name:    "contacts",
			wasup:   `"contacts":[{"name":"Dora","vcard":"` + card + `"},{"name":"Dora","vcard":"` + card + `"}]`,
			baileys: `{"contacts":{"displayName":"2 contacts","contacts":[{"displayName":"Dora","vcard":"` + card + `"},{"displayName":"Dora","vcard":"` + card + `"}]}}`,
		},
		{name: "poll with one answer", wasup: `"poll":{"question":"When?","options":["today","tomorrow"],"selectable":1}`, baileys: `{"poll":{"name":"When?","values":["today","tomorrow"],"selectableCount":1}}`},
		{name: "poll with two answers", wasup: `"poll":{"question":"When?","options":["today","tomorrow","never"],"selectable":2}`, baileys: `{"poll":{"name":"When?","values":["today","tomorrow","never"],"selectableCount":2}}`},
		{name: "poll with any number of answers", wasup: `"poll":{"question":"When?","options":["today","tomorrow"]}`, baileys: `{"poll":{"name":"When?","values":["today","tomorrow"],"selectableCount":0}}`},

		{
			name: "poll with one answer", announcements: true, wasup: `"poll":{"question":"When?","options":["today","tomorrow"],"selectable":1}`,
			baileys: `{"poll":{"name":"When?","values":["today","tomorrow"],"selectableCount":1,"toAnnouncementGroup":true}}`,
		},
		{
			name: "poll with any number of answers", announcements: true, wasup: `"poll":{"question":"When?","options":["today","tomorrow"]}`,
			baileys: `{"poll":{"name":"When?","values":["today","tomorrow"],"selectableCount":0,"toAnnouncementGroup":true}}`,
		},
		{name: "reaction", alsoThere: true, wasup: `"kind":"reaction","reaction":"👍","target":{"id":"%{carla:text}","sender":"%{carla}"}`, baileys: `{"react":{"text":"👍","key":{"$key":"%{carla:text}"}}}`},
		{name: "reaction taken back", wasup: `"kind":"reaction","reaction":"","target":{"id":"%{carla:text}","sender":"%{carla}"}`, baileys: `{"react":{"text":"","key":{"$key":"%{carla:text}"}}}`},
		{name: "reaction to an own message", wasup: `"kind":"reaction","reaction":"👍","target":{"id":"%{text}","from_me":true}`, baileys: `{"react":{"text":"👍","key":{"$key":"%{text}"}}}`},

		{name: "edit", wasup: `"kind":"edit","text":"hello there","target":{"id":"%{text}","from_me":true}`, baileys: `{"text":"hello there","edit":{"$key":"%{text}"}}`},
		{
			name:    "edit of an image",
			wasup:   `"kind":"edit","text":"look here","target":{"id":"%{image}","from_me":true}`,
			baileys: `{"image":{"$bytes":"@a.png"},"mimetype":"image/png","caption":"look here","width":320,"height":200,"jpegThumbnail":{"$bytes":"@thumb"},"edit":{"$key":"%{image}"}}`,
		},
		{
			name:    "edit of a video",
			wasup:   `"kind":"edit","text":"look here","target":{"id":"%{video}","from_me":true}`,
			baileys: `{"video":{"$bytes":"@film"},"mimetype":"video/mp4","caption":"look here","width":64,"height":48,"seconds":2,"jpegThumbnail":{"$bytes":"@thumb"},"edit":{"$key":"%{video}"}}`,
		},
		{
			name:    "edit of a document",
			wasup:   `"kind":"edit","text":"new offer","target":{"id":"%{document with a caption}","from_me":true}`,
			baileys: `{"document":{"$bytes":"@a.pdf"},"mimetype":"application/pdf","fileName":"offer.pdf","title":"offer.pdf","caption":"new offer","edit":{"$key":"%{document with a caption}"}}`,
		},
		{name: "revocation", alsoThere: true, wasup: `"kind":"revoke","target":{"id":"%{text}","from_me":true}`, baileys: `{"delete":{"$key":"%{text}"}}`},
		{name: "revocation by an admin", group: true, wasup: `"kind":"revoke","target":{"id":"%{carla:revoked}","sender":"%{carla}"}`, baileys: `{"delete":{"$key":"%{carla:revoked}"}}`},

		{name: "reply to an own message", wasup: `"text":"yes","quote":{"id":"%{image}","from_me":true,"kind":"image","text":"look"}`, baileys: `{"text":"yes"}`, quoted: "%{image}"},
		{
			name:    "reply with an image",
			wasup:   `"kind":"image","text":"yes","media":{"base64":"@a.png","thumbnail":"@thumb"},"quote":{"id":"%{carla:text}","sender":"%{carla}"}`,
			baileys: `{"image":{"$bytes":"@a.png"},"mimetype":"image/png","caption":"yes","width":320,"height":200,"jpegThumbnail":{"$bytes":"@thumb"}}`,
			quoted:  "%{carla:text}",
		},
	}
	for _, quoted := range quotedKinds {
		cases = append(cases, shapeCase{
			alsoThere: quoted == "poll", name: "reply to " + quoted, wasup: `"text":"yes","quote":{"id":"%{carla:` + quoted + `}","sender":"%{carla}"}`,
			baileys: `{"text":"yes"}`, quoted: "%{carla:" + quoted + "}",
		})
	}
	all := shapeFiles(t)
	for i := range cases {
		for name, data := range all {
			cases[i].wasup = strings.ReplaceAll(cases[i].wasup, `"@`+name+`"`, `"`+data+`"`)
			cases[i].baileys = strings.ReplaceAll(cases[i].baileys, `"@`+name+`"`, `"`+data+`"`)
		}
	}
	return cases
}

// quotedKinds are the messages of Carla that are quoted.
var quotedKinds = []string{"text", "image", "video", "audio", "voice", "document", "sticker", "location", "contact", "poll"}

// carlaSends makes Carla send a message of each kind to a chat, and waits until both clients have all.
func (p *shapePair) carlaSends(chat shapeChat) {
	p.t.Helper()
	all := files(p.t)
	thumb, _ := base64.StdEncoding.DecodeString(shapeFiles(p.t)["thumb"])
	to := chat.jid
	if !chat.group {
		to = p.ana.Number()
	}
	for name, out := range map[string]phones.Outgoing{
		"text":        {Text: "hello"},
		"revoked":     {Text: "spam"},
		"revoked too": {Text: "more spam"},
		"image":       {Kind: phones.KindImage, Text: "look", Media: &phones.Attachment{Data: all["a.png"], MIME: "image/png", Width: 320, Height: 200, Thumbnail: thumb}},
		"video":       {Kind: phones.KindVideo, Text: "look", Media: &phones.Attachment{Data: all["a.mp4"], MIME: "video/mp4", Seconds: 3, Thumbnail: thumb}},
		"audio":       {Kind: phones.KindAudio, Media: &phones.Attachment{Data: all["a.mp3"], MIME: "audio/mpeg", Seconds: 3}},
		"voice":       {Kind: phones.KindAudio, Media: &phones.Attachment{Data: all["a.ogg"], Seconds: 3, Voice: true}},
		"document":    {Kind: phones.KindDocument, Text: "our offer", Media: &phones.Attachment{Data: all["a.pdf"], MIME: "application/pdf", FileName: "offer.pdf"}},
		"sticker":     {Kind: phones.KindSticker, Media: &phones.Attachment{Data: all["a.webp"], MIME: "image/webp"}},
		"location":    {Kind: phones.KindLocation, Location: &phones.Location{Latitude: 1.5, Longitude: 2.5, Name: "Obelisco"}},
		"contact":     {Kind: phones.KindContact, Contact: &phones.Contact{Name: "Dora", VCard: "BEGIN:VCARD\nVERSION:3.0\nFN:Dora\nEND:VCARD"}},
		"poll":        {Kind: phones.KindPoll, Text: "When?", Options: []string{"today", "tomorrow"}, Selectable: 1},
	} {
		out.To = to
		id, err := p.carla.SendMessage(apptest.Bounded(p.t), out)
		if err != nil {
			p.t.Fatal(err)
		}
		p.ids[chat.name+"/carla:"+name] = map[string]string{byWasup: id, byBaileys: id}
	}
	// Each client revokes a message of its own choice, because it can be done once.
	p.ids[chat.name+"/carla:revoked"][byBaileys] = p.ids[chat.name+"/carla:revoked too"][byBaileys]
	delete(p.ids, chat.name+"/carla:revoked too")
	for key, ids := range p.ids {
		if strings.HasPrefix(key, chat.name+"/carla:") {
			p.hears(events.TypeMessage, func(m events.MessageData) bool { return m.ID == ids[byWasup] })
			p.node.find(map[string]any{"event": "message", "id": ids[byBaileys]})
		}
	}
}

// hints compares what is not a message: read marks and what people see of typing.
func (p *shapePair) hints(chat shapeChat) {
	p.t.Helper()
	id := p.ids[chat.name+"/carla:text"][byWasup]
	path := "/v1/sessions/1/chats/" + strings.ReplaceAll(chat.jid, "@", "%40")
	read := map[string]any{"ids": []string{id}}
	if chat.group {
		read["sender"] = p.expand(chat, byWasup, "%{carla}")
	}
	body, err := json.Marshal(read)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Post(path+"/read", 1, string(body)).Is(204)
	p.node.do("read", map[string]any{"message": id})
	p.comparesHint(chat, "read mark", "receipt", func(e *capture.Stanza) bool {
		node, err := e.Node()
		return err == nil && e.ID == id && strings.HasPrefix(jidText(node.Attrs["type"]), "read")
	})
	for state, theirs := range map[string]string{"typing": "composing", "recording": "recording", "paused": "paused"} {
		p.Post(path+"/presence", 1, `{"state":"`+state+`"}`).Is(204)
		p.node.do("typing", map[string]any{"to": chat.jid, "state": theirs})
		p.comparesHint(chat, state, "chatstate", func(e *capture.Stanza) bool {
			node, err := e.Node()
			return err == nil && jidText(node.Attrs["to"]) == chat.jid && stateOf(node) == state
		})
	}
}

func TestWasupAndBaileysSendTheSame(t *testing.T) {
	p := newShapePair(t)
	for _, chat := range p.chats {
		p.carlaSends(chat)
		for _, c := range shapeCases(t) {
			if c.isFor(chat) {
				p.sendsBoth(chat, &c)
			}
		}
		p.hints(chat)
	}
	for _, complaint := range judge(p.found, shapeReasons) {
		t.Error(complaint)
	}
}

func TestTheComparisonOfShapesComplains(t *testing.T) {
	reasons := []shapeReason{{chats: "person|group", kinds: "*", paths: "*.text|*.mentions*", wasup: "a", baileys: "", why: "so it is"}}
	in := func(chat, path, wasup string) difference { return difference{chat, "text", path, wasup, ""} }
	explained := []difference{in("person", "carla .text", "a"), in("group", "carla .mentions[0]", "a")}
	if got := judge(explained, reasons); len(got) != 0 {
		t.Errorf("with a reason for each: %v", got)
	}
	for name, found := range map[string][]difference{
		"another value":           append(explained, in("person", "carla .text", "b")),
		"another chat":            append(explained, in("older group", "carla .text", "a")),
		"another field":           append(explained, in("person", "carla .title", "a")),
		"a path that is not used": {explained[0], in("group", "carla .text", "a")},
		"a chat that is not used": {explained[0], in("person", "carla .mentions[0]", "a")},
	} {
		if got := judge(found, reasons); len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestShapesLeaveNothingOut(t *testing.T) {
	naming := strings.NewReplacer("id1", "<this>")
	got := shape{}
	message := &waE2E.Message{
		DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
			Title: proto.String("offer"), MediaKey: make([]byte, 32), FileSHA256: []byte{1, 2}, MediaKeyTimestamp: proto.Int64(1_700_000_000),
		}}},
		ProtocolMessage: &waE2E.ProtocolMessage{Key: &waCommon.MessageKey{ID: proto.String("id1")}, Type: waE2E.ProtocolMessage_REVOKE.Enum()},
	}
	message.ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 1}) // a field that no version knows yet
	got.addMessage("m ", message.ProtoReflect(), naming)
	got.addNode("<message>", &waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"id": "id1", "t": "1700000000"}, Content: []waBinary.Node{
		{Tag: "enc", Attrs: waBinary.Attrs{"type": "pkmsg", "decrypt-fail": "hide"}, Content: []byte{1}},
		{Tag: "enc", Attrs: waBinary.Attrs{"type": "skmsg"}, Content: []byte{1}},
		{Tag: "tctoken", Content: []byte{1, 2, 3}},
	}}, naming)
	want := shape{
		"m  wrapper documentWithCaptionMessage": "present", "m .documentMessage.title": "offer", "m .documentMessage.mediaKey": "32 bytes",
		"m .documentMessage.fileSHA256": "0102", "m .documentMessage.mediaKeyTimestamp": "seconds", "m .protocolMessage.key.ID": "<this>",
		"m .protocolMessage.type": "REVOKE", "m .?": "f83f01",
		"<message>@id": "<this>", "<message>@t": "seconds", "<message><enc>": "present", "<message><enc>@type": "msg or pkmsg",
		"<message><enc>@decrypt-fail": "hide", "<message><enc> content": "encrypted", "<message><enc>#1": "present", "<message><enc>#1@type": "skmsg",
		"<message><enc>#1 content": "encrypted", "<message><tctoken>": "present", "<message><tctoken> content": "3 bytes",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
