package admin

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types/events"
)

func TestListsChannelsAndStatusesReachTheClient(t *testing.T) {
	f := newFixture(t)
	ana, bruno := "4915112345678", "34600111222"
	f.addPhone(ana, "")
	friend := f.addPhone(bruno, "")
	c := f.link(ana)
	jid := func(a answer) string {
		a.is(t, 201, a.body)
		return strings.Split(a.body, `"`)[3]
	}
	// A message to several comes with the sender's key, in an event of its own.
	said := func() *events.Message {
		for {
			if got := await[*events.Message](c); got.Message.GetConversation() != "" {
				return got
			}
		}
	}
	list := jid(f.post("/phones/"+bruno+"/lists", `{"recipients":["`+ana+`"]}`))
	f.post("/phones/"+bruno+"/messages", `{"to":"`+list+`","text":"sale"}`)
	if got := said(); got.Info.Chat.String() != list || got.Info.Sender.ToNonAD() != friend.LID() || got.Message.GetConversation() != "sale" {
		t.Errorf("the list's message is %+v", got.Info)
	}
	f.post("/phones/"+bruno+"/messages", `{"to":"`+ana+`","text":"hola"}`) // statuses are for acquaintances
	said()
	f.matches("/phones/"+ana+"/messages?wait=10s", `.*"chat":"`+bruno+`@s.whatsapp.net".*"broadcast":true.*`)
	f.post("/phones/"+bruno+"/messages", `{"to":"status@broadcast","text":"on holiday"}`)
	if got := said(); got.Info.Chat.String() != "status@broadcast" || got.Info.Sender.ToNonAD() != friend.LID() {
		t.Errorf("the status is %+v", got.Info)
	}
	channel := jid(f.post("/phones/"+bruno+"/channels", `{"name":"News","followers":["`+ana+`"]}`))
	f.post("/phones/"+bruno+"/messages", `{"to":"`+channel+`","text":"first"}`)
	if got := said(); got.Info.Chat.String() != channel || got.Info.ServerID != 1 || got.Message.GetConversation() != "first" {
		t.Errorf("the post is %+v", got.Info)
	}
	f.matches("/channels", `\{"channels":\[\{"jid":"`+channel+`","name":"News","owner":"`+bruno+`@s.whatsapp.net","followers":\["`+ana+`@s.whatsapp.net"\],"posts":\[\{.*"number":1.*\}\]\}\]\}`)

	f.post("/phones/"+ana+"/lists", `{"recipients":[]}`).is(t, 400, `{"error":{"code":"invalid","message":"expected at least one","field":"recipients"}}`)
	f.post("/phones/"+ana+"/channels", `{"name":""}`).is(t, 400, `{"error":{"code":"invalid","message":"expected 1 to 100 characters","field":"name"}}`)
	f.post("/phones/"+ana+"/messages", `{"to":"`+channel+`","text":"mine"}`).is(t, 403, `{"error":{"code":"not_owner","message":"only the owner of the channel may do that","field":"to"}}`)
	f.post("/phones/"+bruno+"/messages", `{"to":"1@newsletter","text":"x"}`).is(t, 404, `{"error":{"code":"channel_not_found","message":"there is no such channel","field":"to"}}`)
	f.post("/phones/"+bruno+"/messages", `{"to":"`+channel+`","kind":"edit","target":"X","text":"x"}`).is(t, 404, `{"error":{"code":"post_not_found","message":"the channel has no such post","field":"target"}}`)
}

func TestErrorsNameTheFieldOfTheRequest(t *testing.T) {
	f := newFixture(t)
	ana, bruno := "4915112345678", "34600111222"
	f.addPhone(ana, "")
	f.addPhone(bruno, "")
	refused := func(path, body string, status int, field string) {
		t.Helper()
		if a := f.post("/phones/"+bruno+path, body); a.status != status || !strings.Contains(a.body, `"field":"`+field+`"`) {
			t.Errorf("%s %s: %d %s, expected %d and the field %s", path, body, a.status, a.body, status, field)
		}
	}
	made := func(body string) string { return strings.Split(body, `"`)[3] }
	list := made(f.post("/phones/"+ana+"/lists", `{"recipients":["`+bruno+`"]}`).body)
	group := made(f.post("/phones/"+ana+"/groups", `{"subject":"Work"}`).body)
	refused("/lists", `{"recipients":["15550000000"]}`, 404, "recipients")
	refused("/channels", `{"name":"News","followers":["15550000000"]}`, 404, "followers")
	refused("/groups", `{"subject":"Work","members":["15550000000"]}`, 404, "members")
	refused("/messages", `{"to":"`+list+`","text":"x"}`, 403, "to")
	refused("/messages", `{"to":"`+group+`","text":"x"}`, 403, "to")
	refused("/calls", `{"to":"`+group+`"}`, 403, "to")
	refused("/chat-state", `{"to":"`+group+`","state":"paused"}`, 403, "to")
	for _, to := range []string{"status@broadcast", list} {
		refused("/calls", `{"to":"`+to+`"}`, 400, "to")
		refused("/chat-state", `{"to":"`+to+`","state":"paused"}`, 400, "to")
	}
	if a := f.post("/phones", `{"number":"5511987654321","aliases":["551187654321"]}`); a.status != 201 {
		t.Fatal(a.body)
	}
	f.post("/phones", `{"number":"551187654321"}`).is(t, 409, `{"error":{"code":"phone_exists","message":"there is a phone with this number","field":"number"}}`)
}

// TestTheDocumentAllowsTheAnswersOfClients has what people post as a client answered it.
func TestTheDocumentAllowsTheAnswersOfClients(t *testing.T) {
	described := readDocument(t)
	for schema, text := range map[string]string{
		"ScanRequest": `{"outcome":"qr","state":"QR_REQUIRED","qr":{"code":"x"}}`,
		"CodeRequest": `{"code":"ABCD-1234","expires_at":"2030-01-01T00:00:00Z"}`,
	} {
		var value any
		must(t, json.Unmarshal([]byte(text), &value))
		if problems := described.check(object{"$ref": "#/components/schemas/" + schema}, value, "body"); problems != nil {
			t.Errorf("%s: %v", schema, problems)
		}
	}
	for _, path := range []string{"scan", "code", "passkey/assertion"} {
		if field(map[string]any(described), "paths", "/phones/{number}/"+path, "post", "responses", "422") == nil {
			t.Errorf("%s: the document has no 422", path)
		}
	}
}

func TestTheRarerKindsAreSentWithTheirDetails(t *testing.T) {
	f := newFixture(t)
	ana, bruno := "4915112345678", "34600111222"
	f.addPhone(ana, "")
	f.addPhone(bruno, "")
	c := f.link(ana)
	sent := f.post("/phones/"+bruno+"/messages", `{"to":"`+ana+`","kind":"event","details":{"name":"Dinner","start":1800000000,"place":"Da Mario"}}`)
	id := strings.Split(sent.body, `"`)[3]
	if got := await[*events.Message](c); got.Message.GetEventMessage().GetName() != "Dinner" || got.Info.Type != "event" || len(got.Message.GetMessageContextInfo().GetMessageSecret()) != 32 {
		t.Errorf("the event is %+v", got)
	}
	f.post("/phones/"+bruno+"/messages", `{"to":"`+ana+`","kind":"pin","target":"`+id+`","details":{"seconds":86400}}`)
	if got := await[*events.Message](c); got.Message.GetPinInChatMessage().GetKey().GetID() != id || got.Info.Edit != "2" {
		t.Errorf("the pin is %+v", got)
	}
	album := strings.Split(f.post("/phones/"+bruno+"/messages", `{"to":"`+ana+`","kind":"album","details":{"images":1}}`).body, `"`)[3]
	await[*events.Message](c)
	picture := base64.StdEncoding.EncodeToString([]byte("a picture"))
	f.post("/phones/"+bruno+"/messages", `{"to":"`+ana+`","kind":"image","media":{"data":"`+picture+`"},"part":{"of":"`+album+`","as":"album"}}`)
	if got := await[*events.Message](c); got.Message.GetMessageContextInfo().GetMessageAssociation().GetParentMessageKey().GetID() != album {
		t.Errorf("the photo is %+v", got)
	}
	refused := func(body, field string) {
		t.Helper()
		if a := f.post("/phones/"+bruno+"/messages", body); a.status != 400 || !strings.Contains(a.body, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	refused(`{"to":"`+ana+`","text":"x","details":{"name":"x"}}`, "details")
	refused(`{"to":"`+ana+`","text":"x","part":{"of":"`+album+`","as":"album"}}`, "part")
	refused(`{"to":"`+ana+`","kind":"image","media":{"data":"`+picture+`"},"part":{"of":"`+album+`","as":"frame"}}`, "part")
	refused(`{"to":"`+ana+`","kind":"pin"}`, "target")
	refused(`{"to":"`+ana+`","kind":"pin","target":"UNKNOWN"}`, "target")
}
