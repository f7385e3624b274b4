package admin

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	anaNumber   = "4915112345678"
	brunoNumber = "34600111222"
)

func (f *fixture) sendJSON(from, body string) string {
	f.t.Helper()
	sent := f.post("/phones/"+from+"/messages", body)
	id := regexp.MustCompile(`^\{"id":"([0-9A-F]+)"\}$`).FindStringSubmatch(sent.body)
	if sent.status != 201 || id == nil {
		f.t.Fatalf("%s gave %d %s", body, sent.status, sent.body)
	}
	return id[1]
}

// shows waits until the JSON of a phone's messages contains every part.
func (f *fixture) shows(number string, parts ...string) {
	f.t.Helper()
	f.comes("/phones/"+number+"/messages", parts...)
}

// comes waits until the answer to a GET contains every part.
func (f *fixture) comes(path string, parts ...string) {
	f.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for _, part := range parts {
		for body := f.get(path).body; !strings.Contains(body, part); body = f.get(path).body {
			select {
			case <-again.C:
			case <-deadline.C:
				f.t.Fatalf("%s never had %s: %s", path, part, body)
			}
		}
	}
}

func TestEveryKindOfMessageIsSentAndShownInJSON(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "silent")
	f.addPhone(brunoNumber, "silent")
	picture := base64.StdEncoding.EncodeToString([]byte("not really a picture"))
	to := `"to":"` + anaNumber + `"`
	text := f.sendJSON(brunoNumber, `{`+to+`,"text":"hola"}`)
	f.shows(anaNumber, `"text":"hola"`)
	f.sendJSON(brunoNumber, `{`+to+`,"kind":"text","text":"again","quote":"`+text+`","mentions":["`+anaNumber+`"],"preview":{"url":"https://example.com","title":"E","description":""},"expiration":86400}`)
	image := f.sendJSON(brunoNumber, `{`+to+`,"kind":"image","text":"look","media":{"data":"`+picture+`","mime":"image/png","width":3,"height":2,"thumbnail":"AAAA"}}`)
	page := f.sendJSON(brunoNumber, `{`+to+`,"kind":"document","media":{"data":"`+picture+`","mime":"text/html","file_name":"a.html"}}`)
	f.sendJSON(brunoNumber, `{`+to+`,"kind":"audio","view_once":true,"media":{"data":"`+picture+`","voice":true,"seconds":3,"waveform":"AQID"}}`)
	f.sendJSON(brunoNumber, `{`+to+`,"kind":"location","location":{"latitude":-34.5,"longitude":1,"name":"Here","address":""}}`)
	f.sendJSON(brunoNumber, `{`+to+`,"kind":"contact","contact":{"name":"Eva","vcard":"BEGIN:VCARD\nEND:VCARD"}}`)
	poll := f.sendJSON(brunoNumber, `{`+to+`,"kind":"poll","text":"When?","options":["now","later"],"selectable":1}`)
	f.sendJSON(brunoNumber, `{`+to+`,"kind":"edit","target":"`+text+`","text":"hola!"}`)
	f.shows(anaNumber, `"text":"hola!"`)
	back := `"to":"` + brunoNumber + `"`
	f.sendJSON(anaNumber, `{`+back+`,"kind":"reaction","target":"`+text+`","text":"👍"}`)
	f.sendJSON(anaNumber, `{`+back+`,"kind":"vote","target":"`+poll+`","options":["later"]}`)
	f.shows(brunoNumber,
		`"kind":"reaction"`, `"reactions":[{"from":"`+anaNumber+`@s.whatsapp.net","emoji":"👍"`, `"edited":true`,
		`"poll":{"options":[{"name":"now","voters":[]},{"name":"later","voters":["`+anaNumber+`@s.whatsapp.net"]}],"selectable":1}`)
	f.sendJSON(brunoNumber, `{`+to+`,"kind":"revoke","target":"`+text+`"}`)
	f.shows(anaNumber, `"revoked":true`,
		`"quote":{"id":"`+text+`","from":"`+brunoNumber+`@s.whatsapp.net","text":"hola","kind":"text","found":true}`, `"preview":{"url":"https://example.com","title":"E","description":""}`,
		`"mentions":["`+anaNumber+`@s.whatsapp.net"]`, `"expiration":86400`, `"kind":"image"`, `"view_once":true`,
		`"media":{"url":"/sandbox/v1/phones/`+anaNumber+`/messages/`+image+`/media","mime":"image/png","size":20,"width":3,"height":2,"thumbnail":"AAAA","direct_path":"/v/`,
		`"seconds":3,"voice":true,"waveform":"AQID"`, `"location":{"latitude":-34.5,"longitude":1,"name":"Here","address":""}`,
		`"contact":{"name":"Eva","vcard":"BEGIN:VCARD\nEND:VCARD"}`)

	got := f.get("/phones/" + anaNumber + "/messages/" + image + "/media")
	if got.status != 200 || got.body != "not really a picture" || got.header.Get("Content-Type") != "image/png" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("the picture came as %d %v %q", got.status, got.header, got.body)
	}
	// A type that a browser would run is not passed on.
	if got = f.get("/phones/" + anaNumber + "/messages/" + page + "/media"); got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("a page came as %s", got.header.Get("Content-Type"))
	}
	f.get("/phones/"+anaNumber+"/messages/"+text+"/media").is(t, 404, `{"error":{"code":"media_not_found","message":"the phone has no such message with a file","field":"id"}}`)
	for _, file := range f.server.Media().List() {
		must(t, f.server.Media().Take(file.ID, 410, false))
	}
	f.get("/phones/"+anaNumber+"/messages/"+image+"/media").is(t, 410, `{"error":{"code":"media_gone","message":"the file was taken away from the server","field":"id"}}`)
}

func TestWhatABusinessWritesIsSentAndShownInJSON(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "silent")
	f.addPhone(brunoNumber, "silent")
	to, back := `"to":"`+anaNumber+`"`, `"to":"`+brunoNumber+`"`
	list := f.sendJSON(brunoNumber, `{`+to+`,"kind":"business","text":"Which one?","business":{"form":"list","header":"Sizes","button":"Show","choices":[{"kind":"row","id":"s","text":"Small","section":"All"}]},"referral":{"source_type":"ad","source_id":"1203"}}`)
	f.shows(anaNumber, `"text":"Which one?"`, `"kind":"business"`, `"business":{"header":"Sizes","choices":[{"kind":"row","id":"s","text":"Small","section":"All"}]}`)
	f.sendJSON(anaNumber, `{`+back+`,"kind":"choice","quote":"`+list+`","options":["s"]}`)
	f.shows(brunoNumber, `"text":"Small"`, `"kind":"choice"`, `"business":{"chosen":"s"}`)
	if got := f.post("/phones/"+anaNumber+"/messages", `{`+back+`,"kind":"business","business":{"form":"poster"}}`); got.status != 400 || !strings.Contains(got.body, `"field":"business.form"`) {
		t.Errorf("an unknown form: %d %s", got.status, got.body)
	}
}

func TestAPhoneIsSwitchedOffAndOn(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "")
	path := "/phones/" + anaNumber
	change := func(body string, status int, part string) {
		t.Helper()
		got := f.send("PATCH", path, "application/json", body)
		if got.status != status || !strings.Contains(got.body, part) {
			t.Errorf("%s gave %d %s", body, got.status, got.body)
		}
	}
	change(`{"online":false,"script":"slow","delay":"1s"}`, 200, `"script":"slow","jid":"`+anaNumber+`@s.whatsapp.net","lid":"`)
	f.post(path+"/messages", fmt.Sprintf(`{"to":%q,"text":"x"}`, anaNumber)).is(t, 409, `{"error":{"code":"phone_offline","message":"the phone is switched off"}}`)
	change(`{"online":true}`, 200, `"online":true,"delay":"1s"`)
	change(`{"offline_for":"20h"}`, 200, `"online":false`)
	change(`{}`, 400, `"expected name, script, delay, online, offline_for, about or aliases"`)
	change(`{"offline_for":"48h"}`, 400, `"expected a duration over 0s, up to 24h","field":"offline_for"`)
	change(`{"delay":"-1s"}`, 400, `"field":"delay"`)
	change(`{"online":true,"offline_for":"1s"}`, 400, `"expected either online or offline_for"`)
	change(`{"script":"dance"}`, 400, `"expected read, echo, deliver, slow or silent"`)
}
