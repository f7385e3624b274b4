package app

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wasup/internal/app/apptest"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

// shape is a message as fields: what each phone decrypted, and the stanza as it came from the wire. A field is a path and
// a value. Values that are random or times are replaced by their form, names of people and messages by their roles.
type shape map[string]string

// shapePair is wasup and Baileys, linked to the same phone, and another phone that both write to.
type shapePair struct {
	*party
	carla       *sandbox.Phone
	this, other map[string]types.JID // the device of each client, by the client's name
	chats       []shapeChat
	found       []difference
	ids         map[string]map[string]string // by chat and case: the message's id, by the client's name
}

type shapeChat struct {
	name, jid     string
	group, older  bool // older: the group addresses people by number
	announcements bool
}

// The clients that are compared.
const (
	byWasup   = "wasup"
	byBaileys = "baileys"
)

// shapeCase is one kind of message. %{name} in a body stands for the id of the message of the case with that name, by the
// same client, %{carla:name} for one that Carla sent.
type shapeCase struct {
	name    string
	wasup   string // the fields of POST …/messages, without to
	baileys string // the library's content
	quoted  string // for Baileys: the message that is quoted
	group   bool   // in groups only
	// announcements: among the announcements of a community, and only there. alsoThere: there, too.
	announcements, alsoThere bool
}

// isFor reports whether the message is sent to a chat.
func (c *shapeCase) isFor(chat shapeChat) bool {
	if chat.announcements {
		return c.announcements || c.alsoThere
	}
	return !c.announcements && (chat.group || !c.group)
}

// difference is a field that the two clients send differently. An absent field is "".
type difference struct{ chat, kind, path, wasup, baileys string }

func (d difference) String() string {
	return fmt.Sprintf("%s, %s: %s: wasup %q, baileys %q", d.chat, d.kind, d.path, d.wasup, d.baileys)
}

// newShapePair links both clients to Ana, whose other partner is Carla.
func newShapePair(t *testing.T) *shapePair {
	t.Helper()
	p := &shapePair{party: newPartyAlone(t), ids: make(map[string]map[string]string)}
	first := p.ana.Devices()[0].JID
	p.node.pair(p.server, p.ana)
	devices := p.ana.Devices()
	second := devices[slices.IndexFunc(devices, func(d sandbox.DeviceInfo) bool { return d.JID != first })].JID
	p.this = map[string]types.JID{byWasup: first, byBaileys: second}
	p.other = map[string]types.JID{byWasup: second, byBaileys: first}
	carla, err := p.server.AddPhone(phones.Config{Name: "Carla"})
	if err != nil {
		t.Fatal(err)
	}
	p.carla = carla
	p.chats = []shapeChat{{name: "person", jid: carla.LID().String()}}
	for _, chat := range []shapeChat{{name: "group"}, {name: "older group", older: true}, {name: "announcements", announcements: true}} {
		mode := groups.AddressingLID
		if chat.older {
			mode = groups.AddressingPN
		}
		jid, err := carla.CreateGroup(apptest.Bounded(t), phones.NewGroup{
			Subject: chat.name, Members: []string{p.ana.Number()}, Addressing: mode, Community: chat.announcements,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err = carla.ChangeMembers(apptest.Bounded(t), jid, phones.PromoteMembers, p.ana.Number()); err != nil {
			t.Fatal(err)
		}
		chat.jid, chat.group = jid.String(), true
		p.chats = append(p.chats, chat)
	}
	p.acquaint()
	return p
}

// acquaint waits until a message of Baileys has a copy for wasup's device. The first may lack it.
func (p *shapePair) acquaint() {
	p.t.Helper()
	lid := p.ana.LID()
	lid.Device = p.this[byWasup].Device
	apptest.Until(p.t, "Baileys encrypts for the device of wasup", func() bool {
		id := p.node.sends("content", map[string]any{"to": p.chats[0].jid, "content": map[string]any{"text": "first"}})
		sent := p.server.Capture().Stanzas(func(e *capture.Stanza) bool { return e.ID == id && e.Tag == "message" && e.Device == p.this[byBaileys] })
		if len(sent) == 0 {
			return false
		}
		node, err := sent[0].Node()
		if err != nil {
			p.t.Fatal(err)
		}
		participants := node.GetChildByTag("participants")
		return slices.ContainsFunc(participants.GetChildren(), func(to waBinary.Node) bool { return to.Attrs["jid"] == lid })
	})
}

// sendsBoth makes both clients send a message, and compares what Carla's and Ana's phones got.
func (p *shapePair) sendsBoth(chat shapeChat, c *shapeCase) {
	p.t.Helper()
	key := chat.name + "/" + c.name
	p.ids[key] = map[string]string{
		byWasup: p.Post("/v1/sessions/1/messages?wait=server_ack&timeout=60s", 1,
			`{"to":"`+chat.jid+`",`+p.expand(chat, byWasup, c.wasup)+`}`).Is(200).Text("id"),
	}
	given := map[string]any{"to": chat.jid, "content": json.RawMessage(p.expand(chat, byBaileys, c.baileys))}
	if c.quoted != "" {
		given["quoted"] = p.expand(chat, byBaileys, c.quoted)
	}
	p.ids[key][byBaileys] = p.node.sends("content", given)
	got := p.shapeOf(chat, byWasup, p.ids[key][byWasup])
	p.compare(chat, c.name, got, p.shapeOf(chat, byBaileys, p.ids[key][byBaileys]))
}

var references = regexp.MustCompile(`%\{([^}]+)\}`)

// expand replaces references to other messages by their ids, and to people by their addresses.
func (p *shapePair) expand(chat shapeChat, client, body string) string {
	return references.ReplaceAllStringFunc(body, func(found string) string {
		switch name := found[2 : len(found)-1]; name {
		case "carla", "carla's user":
			who := p.carla.LID()
			if chat.older {
				who = p.carla.JID()
			}
			if name == "carla" {
				return who.String()
			}
			return who.User
		default:
			ids := p.ids[chat.name+"/"+name]
			id := ids[client]
			if id == "" {
				p.t.Fatalf("no message %s of %s in %s", name, client, chat.name)
			}
			return id
		}
	})
}

// shapeOf waits until the phones have a message, and returns its shape.
func (p *shapePair) shapeOf(chat shapeChat, client, id string) shape {
	p.t.Helper()
	log, got := p.server.Capture(), shape{}
	naming := p.naming(chat, client, id)
	for name, phone := range map[string]*sandbox.Phone{"carla": p.carla, "own": p.ana} {
		if _, err := phone.WaitMessage(apptest.Bounded(p.t), func(m phones.Message) bool { return m.ID == id && m.Kind != phones.KindWaiting }); err != nil {
			p.t.Fatalf("%s has no message %s of %s: %v", name, id, client, err)
		}
		for _, plain := range log.Plaintexts(func(e *capture.Plaintext) bool { return e.ID == id && e.Phone == phone.Number() }) {
			part := name
			if chat.group && plain.Type != "skmsg" {
				part += " key"
			}
			var message waE2E.Message
			if err := proto.Unmarshal(plain.Data, &message); err != nil {
				p.t.Fatal(err)
			}
			got.addMessage(part+" ", message.ProtoReflect(), naming)
		}
	}
	// The first is the message. A device that could not decrypt it may have asked for it since.
	sent := log.Stanzas(func(e *capture.Stanza) bool { return e.ID == id && e.Tag == "message" && e.Device == p.this[client] })
	if len(sent) == 0 {
		p.t.Fatalf("%s has not sent the message %s", client, id)
	}
	node, err := sent[0].Node()
	if err != nil {
		p.t.Fatal(err)
	}
	p.checkIdentity(client, node)
	got.addNode("<message>", node, naming)
	return got
}

// checkIdentity checks that a stanza has the sender's identity exactly if one of its parts begins a Signal session.
// Whether one does depends on what was sent before, so it is not compared.
func (p *shapePair) checkIdentity(client string, node *waBinary.Node) {
	p.t.Helper()
	begins := false
	participants := node.GetChildByTag("participants")
	for _, to := range participants.GetChildren() {
		for _, enc := range to.GetChildrenByTag("enc") {
			begins = begins || enc.Attrs["type"] == "pkmsg"
		}
	}
	if _, has := node.GetOptionalChildByTag("device-identity"); has != begins {
		p.t.Errorf("%s: a session begins: %v, but with identity: %v: %s", client, begins, has, node.String())
	}
}

// naming replaces addresses and ids by their roles.
func (p *shapePair) naming(chat shapeChat, client, id string) *strings.Replacer {
	pairs := []string{id, "<this>"}
	for key, ids := range p.ids {
		if in, name, _ := strings.Cut(key, "/"); in == chat.name && ids[client] != id {
			pairs = append(pairs, ids[client], "<"+name+">")
		}
	}
	lid := func(device types.JID) types.JID { own := p.ana.LID(); own.Device = device.Device; return own }
	pairs = append(
		pairs, p.this[client].String(), "<me:this>", lid(p.this[client]).String(), "<my lid:this>",
		p.other[client].String(), "<me:other>", lid(p.other[client]).String(), "<my lid:other>",
		p.ana.JID().String(), "<me>", p.ana.LID().String(), "<my lid>",
		p.carla.JID().String(), "<carla>", p.carla.LID().String(), "<carla's lid>", chat.jid, "<chat>",
	)
	return strings.NewReplacer(pairs...)
}

// addMessage adds the fields of a protobuf message that are set, also those that it does not know.
func (s shape) addMessage(path string, m protoreflect.Message, naming *strings.Replacer) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		name := path + "." + field.JSONName()
		if field.Message() != nil && field.Message().Name() == "FutureProofMessage" {
			// A wrapper is a field of its own, so that what is in two wrappers is compared as well.
			s[path+" wrapper "+field.JSONName()] = "present"
			s.addMessage(path, value.Message().Get(field.Message().Fields().ByName("message")).Message(), naming)
			return true
		}
		switch {
		case field.IsList():
			for i := range value.List().Len() {
				s.addValue(fmt.Sprintf("%s[%d]", name, i), field, value.List().Get(i), naming)
			}
		case field.IsMap():
			s[name] = "a map"
		default:
			s.addValue(name, field, value, naming)
		}
		return true
	})
	if unknown := m.GetUnknown(); len(unknown) != 0 {
		s[path+".?"] = hex.EncodeToString(unknown)
	}
}

func (s shape) addValue(path string, field protoreflect.FieldDescriptor, value protoreflect.Value, naming *strings.Replacer) {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		before := len(s)
		s.addMessage(path, value.Message(), naming)
		if len(s) == before {
			s[path] = "{}"
		}
	case protoreflect.BytesKind:
		s[path] = formOfBytes(string(field.Name()), value.Bytes())
	case protoreflect.EnumKind:
		s[path] = strconv.Itoa(int(value.Enum()))
		if known := field.Enum().Values().ByNumber(value.Enum()); known != nil {
			s[path] = string(known.Name())
		}
	default:
		s[path] = formOfText(string(field.Name()), naming.Replace(value.String()))
	}
}

// formOf returns a value, or the form of one that is random or a time.
func formOfText(name, value string) string {
	switch name {
	case "URL", "directPath":
		if value != "" {
			return "a place"
		}
	case "mediaKeyTimestamp", "senderTimestampMS", "timestampMS", "t":
		return map[int]string{10: "seconds", 13: "milliseconds"}[len(value)]
	case "phash":
		return fmt.Sprintf("%s and %d characters", value[:min(2, len(value))], len(value)-2)
	}
	return value
}

func formOfBytes(name string, value []byte) string {
	switch {
	case name == "JPEGThumbnail" && len(value) > 2 && value[0] == 0xff && value[1] == 0xd8:
		return "a JPEG"
	case slices.Contains([]string{"mediaKey", "fileEncSHA256", "messageSecret", "encPayload", "encIV"}, name):
		return fmt.Sprintf("%d bytes", len(value))
	case name == "axolotlSenderKeyDistributionMessage":
		return "a key"
	default:
		return hex.EncodeToString(value)
	}
}

// addNode adds a stanza. Children with the same tag are told apart by the address that they are for, or by their type.
func (s shape) addNode(path string, node *waBinary.Node, naming *strings.Replacer) {
	for name, value := range node.Attrs {
		text := formOfText(name, naming.Replace(fmt.Sprint(value)))
		if name == "type" && (text == "msg" || text == "pkmsg") {
			text = "msg or pkmsg" // depends on what the recipient has answered so far; see checkIdentity
		}
		s[path+"@"+name] = text
	}
	switch content := node.Content.(type) {
	case []waBinary.Node:
		for i := range content {
			child := &content[i]
			if child.Tag == "device-identity" {
				continue // see checkIdentity
			}
			name := "<" + child.Tag + ">"
			if to, ok := child.Attrs["jid"]; ok {
				name = "<" + child.Tag + " " + naming.Replace(fmt.Sprint(to)) + ">"
			}
			if _, twice := s[path+name]; twice {
				name += "#" + strconv.Itoa(i)
			}
			s[path+name] = "present"
			s.addNode(path+name, child, naming)
		}
	case []byte:
		s[path+" content"] = "encrypted"
		if node.Tag != "enc" {
			s[path+" content"] = fmt.Sprintf("%d bytes", len(content))
		}
	case nil:
	default:
		s[path+" content"] = fmt.Sprint(content)
	}
}

// compare records the fields in which two shapes differ.
func (p *shapePair) compare(chat shapeChat, kind string, wasup, baileys shape) {
	if os.Getenv("WASUP_SHAPES") != "" {
		p.t.Logf("%s, %s\nwasup   %v\nbaileys %v", chat.name, kind, wasup, baileys)
	}
	all := maps.Clone(wasup)
	maps.Copy(all, baileys)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if wasup[path] != baileys[path] {
			p.found = append(p.found, difference{chat.name, kind, path, wasup[path], baileys[path]})
		}
	}
}

// judge returns a complaint for each difference without a reason, and for each part of a reason, a path, a kind or a chat,
// that explains no difference.
func judge(found []difference, reasons []shapeReason) (complaints []string) {
	used := make(map[string]bool)
	for _, d := range found {
		if !explained(d, reasons, used) {
			complaints = append(complaints, "no reason for: "+d.String())
		}
	}
	for i, r := range reasons {
		for _, part := range r.parts() {
			if !used[fmt.Sprint(i, part)] {
				complaints = append(complaints, fmt.Sprintf("nothing differs any more as a reason says of %q: %s", part, r.why))
			}
		}
	}
	return complaints
}

// explained reports whether there is a reason for a difference, and notes which parts of the first reason fit.
func explained(d difference, reasons []shapeReason, used map[string]bool) bool {
	for i, r := range reasons {
		if !like(r.wasup, d.wasup) || !like(r.baileys, d.baileys) {
			continue
		}
		path, kind, chat := fitting(r.paths, d.path), fitting(r.kinds, d.kind), fitting(r.chats, d.chat)
		if path != "" && kind != "" && chat != "" {
			used[fmt.Sprint(i, path)], used[fmt.Sprint(i, kind)], used[fmt.Sprint(i, chat)] = true, true, true
			return true
		}
	}
	return false
}

// parts returns all patterns of a reason.
func (r shapeReason) parts() []string {
	return slices.Concat(strings.Split(r.paths, "|"), strings.Split(r.kinds, "|"), strings.Split(r.chats, "|"))
}

// fitting returns the first of several patterns, separated by |, that matches, or "".
func fitting(patterns, value string) string {
	for pattern := range strings.SplitSeq(patterns, "|") {
		if like(pattern, value) {
			return pattern
		}
	}
	return ""
}

// like reports whether a pattern matches a value as a whole. * stands for any text.
func like(pattern, value string) bool {
	parts := strings.Split(pattern, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^(?s:" + strings.Join(parts, ".*") + ")$").MatchString(value)
}

// comparesHint waits until both clients have sent a stanza that is not a message, and compares the last ones.
func (p *shapePair) comparesHint(chat shapeChat, kind, tag string, match func(*capture.Stanza) bool) {
	p.t.Helper()
	log := p.server.Capture()
	got := make(map[string]shape)
	err := log.Wait(apptest.Bounded(p.t), func() bool {
		for _, client := range []string{byWasup, byBaileys} {
			sent := log.Stanzas(func(e *capture.Stanza) bool { return e.Tag == tag && e.Device == p.this[client] && match(e) })
			if len(sent) == 0 {
				return false
			}
			node, err := sent[len(sent)-1].Node()
			if err != nil {
				p.t.Fatal(err)
			}
			got[client] = shape{}
			got[client].addNode("<"+tag+">", node, p.naming(chat, client, sent[len(sent)-1].ID))
		}
		return true
	})
	if err != nil {
		p.t.Fatalf("%s in %s: %v", kind, chat.name, err)
	}
	p.compare(chat, kind, got[byWasup], got[byBaileys])
}

func jidText(value any) string { return fmt.Sprint(value) }

// stateOf returns what a chatstate says.
func stateOf(node *waBinary.Node) string {
	children := node.GetChildren()
	switch {
	case len(children) != 1:
		return ""
	case children[0].Tag == "paused":
		return "paused"
	case children[0].Attrs["media"] == "audio":
		return "recording"
	default:
		return "typing"
	}
}
