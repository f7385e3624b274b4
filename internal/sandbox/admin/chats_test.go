package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox/phones"
)

func TestWhatAPersonChangesReachesTheClientAndTheOtherWayRound(t *testing.T) {
	f := newFixture(t)
	ana, bruno := "4915112345678", "34600111222"
	f.addPhone(ana, "")
	friend := f.addPhone(bruno, "")
	c := f.link(ana)
	path := "/phones/" + ana
	send := func(method, where, body string) {
		t.Helper()
		kind := ""
		if body != "" {
			kind = "application/json"
		}
		f.send(method, path+where, kind, body).is(t, 204, "")
	}

	send("PATCH", "/chats/"+bruno, `{"pinned":true}`)
	if got := await[*events.Pin](c); !got.Action.GetPinned() || got.JID != friend.LID() {
		t.Errorf("the client pins %v", got)
	}
	send("PATCH", "/chats/"+bruno, `{"muted":true,"mute_for":"8h"}`)
	if got := await[*events.Mute](c); !got.Action.GetMuted() || got.Action.GetMuteEndTimestamp() <= 0 {
		t.Errorf("the client mutes %v", got)
	}
	send("PUT", "/contacts/"+bruno, `{"name":"Bruno D"}`)
	if got := await[*events.Contact](c); got.Action.GetFullName() != "Bruno D" {
		t.Errorf("the client names %v", got)
	}
	f.send("PATCH", path, "application/json", `{"name":"Ana"}`)
	if got := await[*events.PushNameSetting](c); got.Action.GetName() != "Ana" {
		t.Errorf("the client is called %v", got)
	}
	sent := f.post("/phones/"+bruno+"/messages", `{"to":"`+ana+`","text":"hola"}`)
	id := strings.Split(sent.body, `"`)[3]
	await[*events.Message](c)
	f.get(path + "/messages?wait=10s")
	send("PUT", "/messages/"+id+"/star", `{"starred":true}`)
	if got := await[*events.Star](c); got.MessageID != id {
		t.Errorf("the client stars %v", got)
	}
	must(t, c.cli.SendAppState(t.Context(), appstate.BuildArchive(types.NewJID(friend.LID().User, types.HiddenUserServer), true, time.Now(), nil)))
	await[*events.Archive](c)

	phone, _ := f.server.Phone(ana)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := phone.WaitAppState(ctx, func(e phones.AppStateEntry) bool { return e.Index[0] == appstate.IndexArchive })
	must(t, err)
	f.matches(path+"/chats", `\{"chats":\[\{"jid":"`+bruno+`@s.whatsapp.net","name":"Bruno D","pinned":false,"archived":true,"muted":true,"muted_until":"[^"]+",`+
		`"marked_unread":false,"messages":1,"unread":0,"last":"[^"]+"\},\{"jid":"`+ana+`@s.whatsapp.net","name":"`+ana+`",.*\}\]\}`)
	if got := f.get(path + "/app-state"); !strings.Contains(got.body, `"index":["archive","`+friend.LID().String()+`"]`) || !strings.Contains(got.body, `"device":1`) {
		t.Errorf("the app state is %s", got.body)
	}
	send("DELETE", "/contacts/"+bruno, "")
	f.send("DELETE", path+"/contacts/"+bruno, "", "").is(t, 404, `{"error":{"code":"contact_not_found","message":"the phone has no such contact","field":"contact"}}`)
}

func TestAChangeOfAChatThatMakesNoSenseIsRefused(t *testing.T) {
	f := newFixture(t)
	ana := "4915112345678"
	f.addPhone(ana, "")
	for _, test := range []struct{ method, path, body, want string }{
		{"PATCH", "/chats/" + ana, `{}`, `{"error":{"code":"invalid","message":"expected pinned, archived, muted or read","field":"body"}}`},
		{"PATCH", "/chats/" + ana, `{"mute_for":"1h"}`, `{"error":{"code":"invalid","message":"belongs to muted","field":"mute_for"}}`},
		{"PATCH", "/chats/" + ana, `{"muted":true,"mute_for":"-1h"}`, `{"error":{"code":"invalid","message":"expected a duration over 0s, up to 10 years","field":"mute_for"}}`},
		{"PUT", "/contacts/" + ana, `{}`, `{"error":{"code":"invalid","message":"expected 1 to 100 bytes; DELETE removes a contact","field":"name"}}`},
		{"PUT", "/messages/3A/star", `{}`, `{"error":{"code":"invalid","message":"expected true or false","field":"starred"}}`},
	} {
		f.send(test.method, "/phones/"+ana+test.path, "application/json", test.body).is(t, 400, test.want)
	}
	f.send("PATCH", "/phones/"+ana+"/chats/15550000000", "application/json", `{"pinned":true}`).is(t, 404,
		`{"error":{"code":"not_on_whatsapp","message":"expected the number or JID of a phone of this sandbox","field":"chat"}}`)
	f.send("PUT", "/phones/"+ana+"/messages/3A/star", "application/json", `{"starred":true}`).is(t, 404,
		`{"error":{"code":"message_not_found","message":"the phone has no such message","field":"id"}}`)
	f.send("DELETE", "/media/x?lost=perhaps", "", "").is(t, 400, `{"error":{"code":"invalid","message":"expected true or false","field":"lost"}}`)
}
