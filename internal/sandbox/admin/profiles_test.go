package admin

import (
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

func TestAPersonShowsAPictureAnAboutTextAndTyping(t *testing.T) {
	f := newFixture(t)
	ana, phone := f.addPhone("5491155550101", "silent"), "/phones/5491155550101"
	f.addPhone("34600111222", "silent")
	c := f.link("34600111222")
	f.get(phone+"/picture").is(t, 404, `{"error":{"code":"media_not_found","message":"the phone has no profile picture","field":"number"}}`)
	jpeg := "\xff\xd8\xff" + strings.Repeat("x", 400)
	f.send("PUT", phone+"/picture", "image/jpeg", jpeg).is(t, 204, "")
	// The page asks with the id of the picture.
	if got := f.get(phone + "/picture?picture=" + ana.PictureID()); got.status != 200 || got.body != jpeg || got.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%d, %d bytes of %s", got.status, len(got.body), got.header.Get("Content-Type"))
	}
	info, err := c.cli.GetProfilePictureInfo(t.Context(), ana.JID(), nil)
	if err != nil || info.ID != ana.PictureID() || !strings.Contains(f.get(phone).body, `"picture":"`+info.ID+`"`) {
		t.Errorf("the client has %+v, %v; the API %s", info, err, f.get(phone).body)
	}
	f.send("PUT", phone+"/picture", "image/jpeg", "no picture").is(t, 400, `{"error":{"code":"invalid","message":"expected a JPEG of at most 1 MiB","field":"body"}}`)
	f.send("PUT", phone+"/picture", "image/png", jpeg).is(t, 415, `{"error":{"code":"unsupported_media_type","message":"expected Content-Type: image/jpeg"}}`)
	f.send("DELETE", phone+"/picture", "", "").is(t, 204, "")
	f.get(phone+"/picture").is(t, 404, `{"error":{"code":"media_not_found","message":"the phone has no profile picture","field":"number"}}`)

	if got := f.send("PATCH", phone, "application/json", `{"about":"at the beach"}`); got.status != 200 || !strings.Contains(got.body, `"about":"at the beach"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if users, err := c.cli.GetUserInfo(t.Context(), []types.JID{ana.JID()}); err != nil || users[ana.JID()].Status != "at the beach" {
		t.Errorf("%+v, %v", users, err)
	}
	f.send("PATCH", phone, "application/json", `{"about":"`+strings.Repeat("x", 140)+`"}`).
		is(t, 400, `{"error":{"code":"invalid","message":"expected at most 139 characters","field":"about"}}`)

	f.post(phone+"/chat-state", `{"to":"34600111222","state":"recording"}`).is(t, 204, "")
	awaitEvent(c, func(p *events.ChatPresence) bool {
		return p.State == types.ChatPresenceComposing && p.Media == types.ChatPresenceMediaAudio && p.Chat == ana.LID()
	})
	f.post(phone+"/chat-state", `{"to":"34600111222","state":"dancing"}`).
		is(t, 400, `{"error":{"code":"invalid","message":"expected composing, recording or paused","field":"state"}}`)
	f.post(phone+"/chat-state", `{"state":"paused"}`).is(t, 400, `{"error":{"code":"invalid","message":"expected a phone number or a JID","field":"to"}}`)
	f.post(phone+"/chat-state", `{"to":"4915100000000","state":"paused"}`).
		is(t, 404, `{"error":{"code":"not_on_whatsapp","message":"expected the number or JID of a phone of this sandbox","field":"to"}}`)
}

func TestVersionsAreLetInAndOffered(t *testing.T) {
	f := newFixture(t)
	f.get("/version").is(t, 200, `{"min_version":"","web_version":""}`)
	patch := func(body string) answer { return f.send("PATCH", "/version", "application/json", body) }
	patch(`{"web_version":"9.3000.12"}`).is(t, 200, `{"min_version":"","web_version":"9.3000.12"}`)
	patch(`{"min_version":"9.3000.10"}`).is(t, 200, `{"min_version":"9.3000.10","web_version":"9.3000.12"}`)
	f.addPhone("34600111222", "")
	c := f.newClient()
	await[*events.ClientOutdated](c)
	for _, bad := range []string{"9.3000", "9.3000.x", "9.3000.4294967296", "v9.3000.1"} {
		patch(`{"min_version":"`+bad+`"}`).is(t, 400, `{"error":{"code":"invalid","message":"expected three numbers such as 2.3000.1045649367, or nothing","field":"min_version"}}`)
	}
	patch(`{}`).is(t, 400, `{"error":{"code":"invalid","message":"expected min_version or web_version","field":"body"}}`)
	patch(`{"min_version":"","web_version":""}`).is(t, 200, `{"min_version":"","web_version":""}`)
	f.link("34600111222")
}

// awaitEvent waits for an event of type E for which wanted returns true.
func awaitEvent[E any](c *client, wanted func(E) bool) {
	c.t.Helper()
	for !wanted(await[E](c)) {
	}
}
