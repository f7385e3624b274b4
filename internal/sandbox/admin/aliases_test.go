package admin

import (
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

func TestOnlyContactQueriesFindANumberWrittenOtherwise(t *testing.T) {
	f := newFixture(t)
	const number, other = "551187654321", "5511987654321"
	wantIn(t, f.post("/phones", `{"number":"`+number+`","aliases":["+`+other+`"],"script":"silent"}`), 201, `"aliases":["`+other+`"]`)
	phone, _ := f.server.Phone(number)
	f.addPhone("34600111222", "silent")
	c := f.link("34600111222")

	found, err := c.cli.IsOnWhatsApp(t.Context(), []string{"+" + other, "+" + number, "+5511900000000"})
	if err != nil || len(found) != 3 {
		t.Fatal(found, err)
	}
	for i, in := range []bool{true, true, false} {
		if found[i].IsIn != in || in && (found[i].JID != phone.LID() || found[i].PhoneNumber != phone.JID()) {
			t.Errorf("%d: %+v", i, found[i])
		}
	}
	alias := types.NewJID(other, types.DefaultUserServer)
	if users, err := c.cli.GetUserInfo(t.Context(), []types.JID{alias}); err != nil || !users[alias].LID.IsEmpty() || len(users[alias].Devices) != 0 {
		t.Errorf("the address of the other spelling is somebody's: %+v, %v", users, err)
	}
	if _, err := c.cli.SendMessage(t.Context(), alias, &waE2E.Message{Conversation: proto.String("hello")}); err == nil {
		t.Error("a message to the address of the other spelling was accepted")
	}

	path := "/phones/" + number
	change := func(body string) answer { return f.send("PATCH", path, "application/json", body) }
	change(`{"aliases":["34600111222"]}`).is(t, 409, `{"error":{"code":"phone_exists","message":"expected numbers that no phone has","field":"aliases"}}`)
	change(`{"aliases":["0551187654321"]}`).is(t, 400, `{"error":{"code":"invalid","message":"expected numbers of 7 to 15 digits, the first not 0","field":"aliases"}}`)
	change(`{"aliases":["1000001","1000002","1000003","1000004","1000005","1000006","1000007","1000008","1000009"]}`).
		is(t, 400, `{"error":{"code":"invalid","message":"expected at most 8","field":"aliases"}}`)
	wantIn(t, f.get(path), 200, `"aliases":["`+other+`"]`)
	if got := change(`{"aliases":[]}`); got.status != 200 || strings.Contains(got.body, "aliases") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if found, err = c.cli.IsOnWhatsApp(t.Context(), []string{"+" + other}); err != nil || len(found) != 1 || found[0].IsIn {
		t.Errorf("the removed spelling is still found: %+v, %v", found, err)
	}
	wantIn(t, f.post("/phones", `{"number":"`+other+`"}`), 201, other)

	// With a phone its other spellings go.
	const third = "5491155550101"
	wantIn(t, change(`{"aliases":["`+third+`"]}`), 200, third)
	f.send("DELETE", path, "", "").is(t, 204, "")
	if found, err = c.cli.IsOnWhatsApp(t.Context(), []string{"+" + third}); err != nil || len(found) != 1 || found[0].IsIn {
		t.Errorf("the spelling of a removed phone is still found: %+v, %v", found, err)
	}
	wantIn(t, f.post("/phones", `{"number":"`+third+`"}`), 201, third)
}

func wantIn(t *testing.T, a answer, status int, part string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, part) {
		t.Errorf("answered %d %s, expected %d with %s", a.status, a.body, status, part)
	}
}
