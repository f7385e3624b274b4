package admin

import (
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

func TestPhonesCallByTheAPIAndAClientHearsIt(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "silent")
	f.addPhone(brunoNumber, "silent")
	client := f.link(anaNumber)
	place := func(body string) string {
		t.Helper()
		placed := f.post("/phones/"+brunoNumber+"/calls", body)
		id := regexp.MustCompile(`^\{"id":"([0-9A-F]{32})"\}$`).FindStringSubmatch(placed.body)
		if placed.status != 201 || id == nil {
			t.Fatalf("%s gave %d %s", body, placed.status, placed.body)
		}
		return id[1]
	}
	does := func(number, id, what string) answer {
		t.Helper()
		return f.post("/phones/"+number+"/calls/"+id+"/"+what, "")
	}
	sees := func(number, id, part string) {
		t.Helper()
		got := f.get("/phones/" + number + "/calls")
		if !strings.Contains(got.body, `{"id":"`+id+`","chat":`) || !strings.Contains(got.body, part) {
			t.Errorf("%s sees %s, not %s", number, got.body, part)
		}
	}
	f.get("/phones/"+anaNumber+"/calls").is(t, 200, `{"calls":[]}`)

	id := place(`{"to":"` + anaNumber + `","video":true}`)
	if offer := await[*events.CallOffer](client); offer.CallID != id {
		t.Errorf("another call came: %+v", offer)
	}
	sees(anaNumber, id, `"from":"`+brunoNumber+`@s.whatsapp.net","from_me":false,"video":true,"state":"ringing","began":`)
	does(anaNumber, id, "accept").is(t, 204, "")
	await[*events.CallAccept](client)
	sees(brunoNumber, id, `"from_me":true,"video":true,"state":"accepted"`)
	does(anaNumber, id, "accept").is(t, 409, `{"error":{"code":"call_state","message":"the call is over, was taken already, or rings for others: only who is called takes a call, and only who placed or took it hangs up","field":"id"}}`)
	does(brunoNumber, id, "end").is(t, 204, "")
	sees(anaNumber, id, `"state":"ended"`)

	id = place(`{"to":"` + anaNumber + `","ring":"1ms"}`)
	for e := await[*events.CallTerminate](client); e.CallID != id; e = await[*events.CallTerminate](client) {
	}
	sees(anaNumber, id, `"state":"ended","reason":"timeout"`)
	id = place(`{"to":"` + anaNumber + `"}`)
	does(anaNumber, id, "reject").is(t, 204, "")
	await[*events.CallReject](client)
	sees(brunoNumber, id, `"state":"rejected"`)

	for body, field := range map[string]string{
		`{}`:                           "to",
		`{"to":"` + brunoNumber + `"}`: "to",
		`{"to":"` + anaNumber + `","ring":"11m"}`:    "ring",
		`{"to":"` + anaNumber + `","ring":"0s"}`:     "ring",
		`{"to":"` + anaNumber + `","ring":"long"}`:   "ring",
		`{"to":"` + anaNumber + `","picture":true}`:  "picture",
		`{"to":"` + anaNumber + `","video":"maybe"}`: "video",
	} {
		if got := f.post("/phones/"+brunoNumber+"/calls", body); got.status != 400 || !strings.Contains(got.body, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	f.post("/phones/"+brunoNumber+"/calls", `{"to":"4999999999999"}`).is(t, 404, `{"error":{"code":"not_on_whatsapp","message":"expected the number or JID of a phone of this sandbox","field":"to"}}`)
	does(brunoNumber, "C0", "end").is(t, 404, `{"error":{"code":"call_not_found","message":"the phone has no such call","field":"id"}}`)
	if n := f.server.Counters().Calls; n != 3 {
		t.Errorf("%d calls were counted", n)
	}
}

func TestARawMessageIsSentAsItIs(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "silent")
	f.addPhone(brunoNumber, "silent")
	raw := base64.StdEncoding.EncodeToString([]byte("\x0a\x04hola"))
	f.sendJSON(brunoNumber, fmt.Sprintf(`{"to":%q,"kind":"raw","raw":%q}`, anaNumber, raw))
	f.shows(anaNumber, `"text":"hola"`, `"kind":"text"`)
	f.post("/phones/"+brunoNumber+"/messages", `{"to":"`+anaNumber+`","kind":"raw","raw":"/w=="}`).is(t, 400,
		`{"error":{"code":"invalid","message":"expected an encoded message of at most 8388608 bytes","field":"raw"}}`)
	nowhere, err := proto.Marshal(&waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: proto.Float64(math.NaN()), DegreesLongitude: proto.Float64(math.Inf(1)), Name: proto.String("nowhere"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.sendJSON(brunoNumber, fmt.Sprintf(`{"to":%q,"kind":"raw","raw":%q}`, anaNumber, base64.StdEncoding.EncodeToString(nowhere)))
	f.shows(anaNumber, `"location":{"latitude":0,"longitude":0,"name":"nowhere"`)
	for body, field := range map[string]string{`"kind":"raw","raw":"!!"`: "raw", `"kind":"image","media":{"mime":"image/png","data":"?"}`: "media.data"} {
		f.post("/phones/"+brunoNumber+"/messages", `{"to":"`+anaNumber+`",`+body+`}`).is(t, 400, `{"error":{"code":"invalid","message":"expected standard base64","field":"`+field+`"}}`)
	}
}
