package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// party is wasup in one process and Baileys in another, each with a phone.
type party struct {
	t      *testing.T
	server *sandbox.Server
	apptest.Caller
	ana   *sandbox.Phone // the phone of wasup's session 1
	bruno *sandbox.Phone // the phone of Baileys
	node  *baileys
}

func newParty(t *testing.T) *party {
	t.Helper()
	p := newPartyAlone(t)
	p.node.pair(p.server, p.bruno)
	return p
}

// newPartyAlone is newParty with a Baileys that is not linked yet.
func newPartyAlone(t *testing.T) *party {
	t.Helper()
	server := apptest.NewSandbox(t, sandbox.Config{TLS: true})
	ca := trusting(t, server)
	p := &party{t: t, server: server, node: startBaileys(t, ca)}
	for name, phone := range map[string]**sandbox.Phone{"Ana": &p.ana, "Bruno": &p.bruno} {
		made, err := server.AddPhone(phones.Config{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		*phone = made
	}
	_, p.Caller = apptest.ServeChild(t, apptest.Quick(server, apptest.NewDSN(t)))
	if _, err := p.ana.Scan(apptest.Bounded(t), p.Get("/qr-code", 1).Is(200).Code()); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "READY", func() bool { return p.Get("/status", 1).Is(200).Fields["state"] == "READY" })
	return p
}

// posts makes wasup send a message to Baileys and returns the message's id.
func (p *party) posts(content string) string {
	p.t.Helper()
	body := `{"to":"` + p.bruno.Number() + `",` + content + `}`
	return p.Post("/v1/sessions/1/messages?wait=server_ack&timeout=60s", 1, body).Is(200).Text("id")
}

// hears waits until wasup's log has an event of a type that accept accepts.
func (p *party) hears(kind events.Type, accept func(events.MessageData) bool) events.MessageData {
	p.t.Helper()
	var found events.MessageData
	var last []byte
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the log has %s", last)
		}
	}()
	apptest.Until(p.t, "an event "+string(kind), func() bool {
		var page struct {
			Items []struct{ Data events.MessageData }
		}
		answered := p.Must(p.Try(apptest.Bounded(p.t), http.MethodGet, "/v1/sessions/1/events?limit=500&types="+string(kind), 1, "", nil)).Is(200)
		last = answered.Body
		if err := json.Unmarshal(answered.Body, &page); err != nil {
			p.t.Fatal(err)
		}
		for _, item := range page.Items {
			if item.Data.Content != nil && accept(item.Data) {
				found = item.Data
				return true
			}
		}
		return false
	})
	return found
}

func TestWasupAndBaileysUnderstandEachOther(t *testing.T) {
	p := newParty(t)
	node, file := p.node, picture(t)

	// wasup sends.
	said := p.posts(`"text":"helo"`)
	node.find(map[string]any{"event": "message", "id": said, "text": "helo"})
	seen := p.posts(`"text":"look","media":{"base64":"` + base64.StdEncoding.EncodeToString(file) + `"}`)
	node.find(map[string]any{"event": "message", "id": seen, "text": "look"})
	encoded, _ := node.do("download", map[string]any{"message": seen})["data"].(string)
	if got, err := base64.StdEncoding.DecodeString(encoded); err != nil || !bytes.Equal(got, file) {
		t.Errorf("Baileys has %d bytes of %d, %v", len(got), len(file), err)
	}
	p.posts(`"kind":"edit","text":"hello","target":{"id":"` + said + `","from_me":true}`)
	node.find(map[string]any{"event": "edited", "id": said, "text": "hello"})
	p.posts(`"kind":"revoke","target":{"id":"` + said + `","from_me":true}`)
	node.find(map[string]any{"event": "revoked", "id": said})

	// Baileys sends.
	to := p.ana.JID().String()
	theirs := node.sends("text", map[string]any{"to": to, "text": "helo back"})
	is := func(id string) func(events.MessageData) bool {
		return func(m events.MessageData) bool { return m.ID == id }
	}
	if got := p.hears(events.TypeMessage, is(theirs)); got.Content.Text != "helo back" || got.Sender.PN != p.bruno.JID().String() {
		t.Errorf("wasup heard %+v", got)
	}
	image := node.sends("file", map[string]any{"to": to, "kind": "image", "mime": "image/png", "text": "look back", "data": base64.StdEncoding.EncodeToString(file)})
	sum := sha256.Sum256(file)
	if got := p.hears(events.TypeMessage, is(image)); got.Content.Kind != message.KindImage || got.Content.Text != "look back" ||
		got.Content.Media == nil || got.Content.Media.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("wasup heard %+v, %+v", got.Content, got.Content.Media)
	}
	about := func(id string) func(events.MessageData) bool {
		return func(m events.MessageData) bool { return m.Content.Target != nil && m.Content.Target.ID == id }
	}
	node.sends("react", map[string]any{"to": to, "message": seen, "text": "👍"})
	if got := p.hears(events.TypeReaction, about(seen)); got.Content.Reaction != "👍" {
		t.Errorf("wasup heard %+v", got.Content)
	}
	p.posts(`"kind":"reaction","reaction":"🎉","target":{"id":"` + theirs + `"}`)
	node.find(map[string]any{"event": "reaction", "id": theirs, "text": "🎉"})
	node.sends("edit", map[string]any{"to": to, "message": theirs, "text": "hello back"})
	if got := p.hears(events.TypeEdited, about(theirs)); got.Content.Text != "hello back" {
		t.Errorf("wasup heard %+v", got.Content)
	}
	node.sends("revoke", map[string]any{"to": to, "message": theirs})
	p.hears(events.TypeRevoked, about(theirs))

	if counters := p.server.Counters(); len(counters.UnknownQueries) != 0 || len(counters.Malformed) != 0 || counters.KeyReuses != 0 {
		t.Errorf("unknown queries %v, malformed %v, %d keys used twice", counters.UnknownQueries, counters.Malformed, counters.KeyReuses)
	}
}
