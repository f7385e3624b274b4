package admin

import (
	"strings"
	"testing"
)

func TestGroupsAreMadeChangedJoinedAndLeft(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "silent")
	f.addPhone(brunoNumber, "silent")
	ana, bruno := "/phones/"+anaNumber+"/groups", "/phones/"+brunoNumber+"/groups"
	f.get(ana).is(t, 200, `{"groups":[]}`)
	made := f.post(ana, `{"subject":"Friends","members":["`+brunoNumber+`"]}`)
	for _, part := range []string{
		`"subject":"Friends","description":"","creator":"` + anaNumber + `@s.whatsapp.net"`,
		`"addressing":"lid","announce":false,"locked":false,"approval":false,"admin_adds":false,"community":false,"expiration":0`,
		`"role":"superadmin"}`, `"role":"member"}],"requests":[]}`,
	} {
		if made.status != 201 || !strings.Contains(made.body, part) {
			t.Fatalf("%s is missing in %d %s", part, made.status, made.body)
		}
	}
	jid := f.server.Groups()[0].JID.String()
	f.sendJSON(brunoNumber, `{"to":"`+jid+`","text":"hello all"}`)
	f.shows(anaNumber, `"chat":"`+jid+`","from":"`+brunoNumber+`@s.whatsapp.net","to":"`+jid+`"`)
	has := func(got answer, status int, part string) {
		t.Helper()
		if got.status != status || !strings.Contains(got.body, part) {
			t.Errorf("expected %d with %s, got %d %s", status, part, got.status, got.body)
		}
	}
	patch := func(path, body string) answer { return f.send("PATCH", path, "application/json", body) }
	has(patch(ana+"/"+jid, `{"subject":"Work","announce":true,"expiration":86400,"approval":true}`), 200, `"subject":"Work"`)
	has(f.post("/phones/"+brunoNumber+"/messages", `{"to":"`+jid+`","text":"x"}`), 403, `"not_admin"`)
	has(patch(bruno+"/"+jid, `{"announce":false}`), 403, `"not_admin"`)
	has(patch(ana+"/"+jid, `{}`), 400, `"expected at least one setting"`)
	has(patch(ana+"/"+jid, `{"subject":"Play","expiration":5}`), 400, `"field":"expiration"`)
	has(patch(bruno+"/"+jid, `{"subject":"Play","locked":true}`), 403, `"not_admin"`)
	has(f.get(ana), 200, `"subject":"Work"`)
	has(patch(ana+"/1@g.us", `{"announce":false}`), 404, `"group_not_found"`)
	has(patch(ana+"/friends", `{"announce":false}`), 400, `"field":"jid"`)
	has(f.post(ana+"/"+jid+"/members", `{"change":"promote","members":["`+brunoNumber+`"]}`), 200, `"role":"admin"`)
	has(f.post(ana+"/"+jid+"/members", `{"change":"ban","members":["`+brunoNumber+`"]}`), 400, `"field":"change"`)
	has(f.post(ana+"/"+jid+"/members", `{"change":"add","members":["15550000000"]}`), 404, `"field":"members"`)
	has(f.post(ana+"/"+jid+"/members", `{"change":"remove","members":["`+anaNumber+`"]}`), 409, `"owner_stays"`)
	has(f.get("/groups"), 200, jid)
	f.send("DELETE", bruno+"/"+jid, "", "").is(t, 204, "")
	link := strings.TrimSuffix(strings.TrimPrefix(f.get(ana+"/"+jid+"/link").body, `{"link":"`), `"}`)
	f.post(bruno+"/join", `{"link":"`+link+`"}`).is(t, 200, `{"jid":"`+jid+`","waiting":true}`)
	has(f.post(ana+"/"+jid+"/requests", `{"members":["`+brunoNumber+`"]}`), 400, `"field":"approve"`)
	has(f.post(ana+"/"+jid+"/requests", `{"approve":true}`), 400, `"field":"members"`)
	has(f.post(ana+"/"+jid+"/requests", `{"approve":true,"members":["`+brunoNumber+`"]}`), 200, `"requests":[]`)
	has(f.post(ana+"/"+jid+"/link", `{}`), 200, `https://chat.whatsapp.com/`)
	has(f.post(bruno+"/join", `{"link":"`+link+`"}`), 410, `"link_revoked"`)
	has(f.post(bruno+"/join", `{"link":"x"}`), 404, `"link_unknown"`)
	has(f.post(ana, `{"subject":""}`), 400, `"field":"subject"`)
}
