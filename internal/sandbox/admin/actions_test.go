package admin

import "testing"

func TestFaultsAndActionsByTheAPI(t *testing.T) {
	f := newFixture(t)
	f.post("/actions/half-open", `{}`).is(t, 200, `{"connections":0}`)
	f.post("/actions/close", `{"account":"+4915112345678"}`).is(t, 200, `{"connections":0}`)
	f.post("/actions/drop", `{"conn":3}`).is(t, 200, `{"connections":0}`)
	f.post("/actions/restart", `{"down":"1ms","forget":true}`).is(t, 204, "")
	f.post("/actions/restart", `{"down":"1h"}`).is(t, 400, `{"error":{"code":"invalid","message":"expected a duration from 0s to 2m","field":"down"}}`)
	f.post("/faults", `{"kind":"delay_iq","delay":"1s","conn":4,"match":"encrypt/count","probability":0.25,"seed":9}`).
		is(t, 201, `{"id":"1","kind":"delay_iq","count":0,"delay":"1s","conn":4,"match":"encrypt/count","probability":0.25,"seed":9,"applied":0}`)
	f.post("/faults", `{"kind":"malformed_frame","variant":"zlib_bomb"}`).
		is(t, 201, `{"id":"2","kind":"malformed_frame","count":0,"variant":"zlib_bomb","applied":0}`)
	f.post("/faults", `{"kind":"no_pong","variant":"loud"}`).
		is(t, 400, `{"error":{"code":"invalid","message":"no_pong has no variants","field":"variant"}}`)
}
