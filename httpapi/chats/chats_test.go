package chats_test

import (
	"reflect"
	"strings"
	"sync"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/message"
	"wasup/internal/session"
)

func TestChatsAreToldAndContactsAsked(t *testing.T) {
	type told struct {
		what  string
		id    session.ID
		value any
	}
	var mu sync.Mutex
	var got []told
	talking := func(refusal error) apitest.Scripted {
		f := apitest.Behind(apitest.Plain("shop", session.Ready, session.CauseConnected))
		f.Chatting = func(what string, id session.ID, value any) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, told{what, id, value})
			return refusal
		}
		f.Checking = func(phones []string) ([]message.Contact, error) {
			var all []message.Contact
			for i, phone := range phones {
				c := message.Contact{Query: phone, OnWhatsApp: i%2 == 0}
				if c.OnWhatsApp {
					c.Address, c.Business = message.Address{PN: phone + "@s.whatsapp.net", LID: "987654321@lid"}, "Shop"
				}
				all = append(all, c)
			}
			return all, refusal
		}
		return f
	}
	chat, group := "/v1/sessions/shop/chats/5491155550101", "/v1/sessions/shop/chats/120363041234567890%40g.us"
	rows := []apitest.Row{
		{What: "contacts", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":["+54 9 11 5555-0101","5491155550102"]}`, Status: 200, Want: "v1/contacts", Behind: talking(nil)},
		{What: "contacts too often", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":["5491155550101"]}`, Status: 429, Extra: "Retry-After: 2", Want: "v1/rate_limited", Behind: talking(apitest.Failing(session.CodeRateLimited))},
		{What: "no contacts", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":[]}`, Status: 400, Want: "v1/contacts_none", Behind: talking(nil)},
		{What: "a contact that is no number", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":["bob","5491155550101",{"group":"120363041234567890@g.us"},"5491155550102"]}`, Status: 200, Want: "v1/contacts_bad", Behind: talking(nil)},
		{What: "a contact that is a LID", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":["987654321@lid",{"lid":"987654321@lid"},{"lid":"987654321@lid","pn":"5491155550101@s.whatsapp.net"},"120363041234567890","` + strings.Repeat("5", 200) + `"]}`, Status: 200, Want: "v1/contacts_lid", Behind: talking(nil)},
		{What: "no contact that is a number", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":["bob"]}`, Status: 200, Want: "v1/contacts_no_number", Behind: talking(apitest.Failing(session.CodeRateLimited))},
		{What: "contacts that are neither a text nor an object", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":[5491155550101,"5491155550101",null,3.46e10,"34600111333.00",true,["5491155550101"],{"pn":5},{"phone":"5491155550101"},{"pn":"5491155550102@s.whatsapp.net"}]}`, Status: 200, Want: "v1/contacts_type", Behind: talking(nil)},
		{What: "too many contacts", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":[` + strings.Repeat(`null,`, 100) + `null]}`, Status: 400, Want: "v1/contacts_many", Behind: talking(nil)},
		{What: "no list of contacts", Path: "/v1/sessions/shop/contacts/check", Body: `{"phones":null}`, Status: 400, Want: "v1/contacts_null", Behind: talking(nil)},
		{What: "a status of nobody", Path: "/v1/sessions/shop/chats/status%40broadcast/read", Body: `{"ids":["A"]}`, Status: 400, Want: "v1/chat_status", Behind: talking(nil)},
		{What: "typing in a channel", Path: "/v1/sessions/shop/chats/120363041234567890%40newsletter/presence", Body: `{"state":"typing"}`, Status: 422, Want: "v1/chat_channel", Behind: talking(nil)},
		{What: "not ready", Path: chat + "/read", Body: `{"ids":["A"]}`, Status: 409, Want: "v1/not_ready", Behind: talking(apitest.Failing(session.CodeNotReady))},
		{What: "presence of an unknown session", Path: "/v1/sessions/nobody/chats/5491155550101/presence", Body: `{"state":"typing"}`, Status: 404, Want: "v1/not_found", Behind: talking(nil)},
		{What: "no chat", Path: "/v1/sessions/shop/chats/bob/read", Body: `{"ids":["A"]}`, Status: 400, Want: "v1/chat_bad", Behind: talking(nil)},
		{What: "no ids", Path: chat + "/read", Body: `{"ids":[]}`, Status: 400, Want: "v1/read_none", Behind: talking(nil)},
		{What: "an id that is none", Path: chat + "/read", Body: `{"ids":["A",""]}`, Status: 400, Want: "v1/read_bad", Behind: talking(nil)},
		{What: "nobody in a group", Path: group + "/read", Body: `{"ids":["A"]}`, Status: 400, Want: "v1/read_sender", Behind: talking(nil)},
		{What: "another state", Path: chat + "/presence", Body: `{"state":"online"}`, Status: 400, Want: "v1/presence_bad", Behind: talking(nil)},
	}
	for i := range rows {
		rows[i].Method, rows[i].Header = "POST", []string{apitest.JSONBody}
	}
	t.Run("rows", func(t *testing.T) { apitest.RunRows(t, rows) })
	got = nil
	f := talking(nil)
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for path, body := range map[string]string{
		chat + "/read":      `{"ids":["A","B"],"played":true}`,
		group + "/read":     `{"ids":["C"],"sender":{"lid":"987654321@lid"}}`,
		chat + "/presence":  `{"state":"recording"}`,
		group + "/presence": `{"state":"paused"}`,
		"/v1/sessions/shop/chats/status%40broadcast/read":                    `{"ids":["E"],"sender":{"lid":"987654321@lid"}}`,
		"/v1/sessions/shop/chats/5491155550104.0%3A12%40s.whatsapp.net/read": "\xef\xbb\xbf" + `{"ids":["D"],"sender":{"lid":"987654321.1:3@lid","pn":"+54 9 11 5555-0104"}}`,
	} {
		if answer := r.Do(t, "POST", path, body, apitest.JSONBody); answer.Status != 204 || answer.Body != "" {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
	for _, want := range []told{
		{"read", "shop", message.ReadMark{Chat: "5491155550101@s.whatsapp.net", IDs: []string{"A", "B"}, Played: true, At: apitest.Now}},
		{"read", "shop", message.ReadMark{Chat: "120363041234567890@g.us", Sender: message.Address{LID: "987654321@lid"}, IDs: []string{"C"}, At: apitest.Now}},
		{"read", "shop", message.ReadMark{Chat: "5491155550104@s.whatsapp.net", Sender: message.Address{LID: "987654321@lid", PN: "5491155550104@s.whatsapp.net"}, IDs: []string{"D"}, At: apitest.Now}},
		{"read", "shop", message.ReadMark{Chat: "status@broadcast", Sender: message.Address{LID: "987654321@lid"}, IDs: []string{"E"}, At: apitest.Now}},
		{"recording", "shop", message.Recipient("5491155550101@s.whatsapp.net")},
		{"paused", "shop", message.Recipient("120363041234567890@g.us")},
	} {
		found := false
		for _, each := range got {
			found = found || reflect.DeepEqual(each, want)
		}
		if !found {
			t.Errorf("%+v was not told; told was %+v", want, got)
		}
	}
}
