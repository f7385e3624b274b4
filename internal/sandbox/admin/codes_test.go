package admin

import (
	"encoding/json"
	"net/http"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
)

func (c *client) askCode(number string) string {
	c.t.Helper()
	await[*events.QR](c)
	code, err := c.cli.PairPhone(c.t.Context(), number, true, whatsmeow.PairClientFirefox, "Firefox (Linux)")
	must(c.t, err)
	return code
}

func TestAPersonEntersTheCodeAndTheClientIsLinked(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	const code = "/phones/4915112345678/code" + patiently
	f.post(code, `{"code":"1234"}`).is(t, 400, `{"error":{"code":"invalid","message":"expected 8 letters and digits, such as ABCD-1234","field":"code"}}`)
	f.post(code, `{"code":"ABCD-1234"}`).is(t, 404, `{"error":{"code":"code_unknown","message":"no client asked for a code for this number, or it does not any more","field":"code"}}`)
	c := f.newClient()
	shown := c.askCode("4915112345678")
	f.post(code, `{"code":"1111-1111"}`).is(t, 400, `{"error":{"code":"wrong_code","message":"the client shows another code; after three wrong ones it has to ask for a new one","field":"code"}}`)
	f.post(code, `{"code":"`+shown+`"}`).is(t, 200, `{"device":"4915112345678:#@s.whatsapp.net"}`)
	await[*events.Connected](c)
}

func TestAPasskeyIsDemandedAndAnsweredThroughTheAPI(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	const passkey = "/phones/4915112345678/passkey"
	f.get(passkey).is(t, 200, `{"required":false}`)
	f.send(http.MethodPut, passkey, "application/json", `{}`).is(t, 400, `{"error":{"code":"invalid","message":"expected true or false","field":"required"}}`)
	f.send(http.MethodPut, passkey, "application/json", `{"required":true}`).is(t, 200, `{"required":true}`)
	f.get(passkey).is(t, 200, `{"required":true}`)
	f.post(passkey+"/assertion", `{}`).is(t, 400, `{"error":{"code":"passkey_mismatch","message":"expected a request for this account's passkey","field":"body"}}`)
	f.post(passkey+"/assertion", `{"challenge":7}`).is(t, 400, `{"error":{"code":"invalid","message":"expected challenge, rpId and allowCredentials as WhatsApp sent them","field":"body"}}`)

	c := f.newClient()
	shown := c.askCode("4915112345678")
	entered := make(chan answer, 1)
	go func() { entered <- f.post("/phones/4915112345678/code"+patiently, `{"code":"`+shown+`"}`) }()
	demand, err := json.Marshal(await[*events.PairPasskeyRequest](c).PublicKey)
	must(t, err)
	got := f.post(passkey+"/assertion", string(demand))
	var response types.WebAuthnResponse
	must(t, json.Unmarshal([]byte(got.body), &response))
	must(t, c.cli.SendPasskeyResponse(t.Context(), &response))
	await[*events.PairPasskeyConfirmation](c)
	must(t, c.cli.SendPasskeyConfirmation(t.Context()))
	(<-entered).is(t, 200, `{"device":"4915112345678:#@s.whatsapp.net"}`)
	await[*events.Connected](c)
}

func TestTheServerTellsHowToReachItByTLS(t *testing.T) {
	f := newFixtureWith(t, sandbox.Config{Authority: authority, TLS: true})
	var told serverBody
	must(t, json.Unmarshal([]byte(f.get("/server").body), &told))
	if told.SecureURL != f.server.SecureURL() || told.SecureURL == "" || told.CA != string(f.server.CAPEM()) || told.CA == "" {
		t.Fatalf("told %+v", told)
	}
}
