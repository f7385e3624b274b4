package admin

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/devicetest"
)

// patience bounds the wait for something that certainly happens. The machine may be busy.
const patience = 2 * time.Minute

// patiently makes a request wait as long as it can for a client: the default is a time that a busy machine may need.
const patiently = "?wait=2m"

// client is a real whatsmeow client of the sandbox.
type client struct {
	t      *testing.T
	cli    *whatsmeow.Client
	events chan any
	ended  atomic.Bool // by the server, for good
}

func (f *fixture) newClient() *client {
	f.t.Helper()
	container := devicetest.Open(f.t, devicetest.DSN(f.t))
	cli := whatsmeow.NewClient(container.NewDevice(), nil)
	address, err := url.Parse(f.server.URL())
	must(f.t, err)
	transport := &http.Transport{}
	toSandbox := &http.Client{Transport: redirect{address.Host, transport}}
	cli.SetWebsocketHTTPClient(toSandbox)
	cli.SetPreLoginHTTPClient(toSandbox)
	cli.SetMediaHTTPClient(toSandbox)
	c := &client{t: f.t, cli: cli, events: make(chan any, 1000)}
	cli.AddEventHandler(func(event any) {
		if devicetest.Ends(event) {
			c.ended.Store(true)
		}
		if _, ok := event.(*events.PairSuccess); ok {
			fewerKeys(cli)
		}
		// Drop messages between a client and its own phone: no person sees them.
		if message, ok := event.(*events.Message); !ok || message.Info.Category != "peer" {
			c.events <- event
		}
	})
	f.t.Cleanup(func() {
		devicetest.Leave(f.t, cli, c.ended.Load())
		transport.CloseIdleConnections()
	})
	must(f.t, cli.Connect())
	return c
}

// fewerKeys reduces the first upload from 812 prekeys to 50. Generating them takes most of the time of a pairing. A
// client with prekeys that are marked as uploaded does not begin with 812.
func fewerKeys(cli *whatsmeow.Client) {
	keys, err := cli.Store.PreKeys.GetOrGenPreKeys(context.Background(), whatsmeow.MinPreKeyCount)
	if err != nil {
		return // the client then uploads all of them: the test takes longer, that is all
	}
	_ = cli.Store.PreKeys.MarkPreKeysAsUploaded(context.Background(), keys[len(keys)-1].KeyID)
}

// redirect sends every request to the sandbox, because whatsmeow dials WhatsApp's host name.
type redirect struct {
	host      string
	transport *http.Transport
}

func (r redirect) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host = "http", r.host
	return r.transport.RoundTrip(request)
}

// await returns the next event of a type. It drops other events before it.
func await[E any](c *client) E {
	c.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case event := <-c.events:
			if wanted, ok := event.(E); ok {
				return wanted
			}
		case <-timeout.C:
			c.t.Fatalf("no %T came", *new(E))
		}
	}
}

// awaitBoth waits for two events in any order: the client emits them from different goroutines.
func awaitBoth[A, B any](c *client) {
	c.t.Helper()
	var a, b bool
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !a || !b {
		select {
		case event := <-c.events:
			_, isA := event.(A)
			_, isB := event.(B)
			a, b = a || isA, b || isB
		case <-timeout.C:
			c.t.Fatalf("%T came: %t, %T: %t", *new(A), a, *new(B), b)
		}
	}
}

// link makes a phone scan the QR of a new client.
func (f *fixture) link(number string) *client {
	f.t.Helper()
	c := f.newClient()
	code := await[*events.QR](c).Codes[0]
	f.post("/phones/"+number+"/scan"+patiently, fmt.Sprintf(`{"code":%q}`, code)).is(f.t, 200, `{"device":"`+number+`:#@s.whatsapp.net"}`)
	c.settled()
	return c
}

// settled waits until the client is logged in and has all collections of app state, in any order. A client that is
// unlinked earlier deletes its store while it still reads from it, and whatsmeow does not guard against that.
func (c *client) settled() {
	c.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	connected, synced := false, map[appstate.WAPatchName]bool{}
	for !connected || len(synced) < len(appstate.AllPatchNames) {
		select {
		case event := <-c.events:
			switch event := event.(type) {
			case *events.Connected:
				connected = true
			case *events.AppStateSyncComplete:
				synced[event.Name] = true
			}
		case <-timeout.C:
			c.t.Fatalf("connected %t, with the collections %v", connected, synced)
		}
	}
}

func TestAPersonPostsThePictureOfTheQRAndTheClientIsLinked(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	const scan = "/phones/4915112345678/scan" + patiently
	for name, post := range map[string]func(png []byte) answer{
		"as the answer of /qr-code": func(png []byte) answer {
			return f.post(scan, `{"qr":"data:image/png;base64,`+base64.StdEncoding.EncodeToString(png)+`"}`)
		},
		"as the answer of /v1": func(png []byte) answer {
			code, err := readQR("body", png)
			must(t, err)
			return f.post(scan, `{"outcome":"qr","state":"QR_REQUIRED","cause":"none","qr":{"code":"`+code+`","sequence":1,"expires_at":"2030-01-01T00:00:00Z"}}`)
		},
		"in base64": func(png []byte) answer {
			return f.post(scan, `{"png":"`+base64.StdEncoding.EncodeToString(png)+`"}`)
		},
		"as a body": func(png []byte) answer { return f.send("POST", scan, "image/png", string(png)) },
		"as a form": func(png []byte) answer {
			var body strings.Builder
			form := multipart.NewWriter(&body)
			must(t, form.WriteField("note", "not the picture"))
			part, err := form.CreateFormFile("picture", "qr.png")
			must(t, err)
			_, err = part.Write(png)
			must(t, err)
			must(t, form.Close())
			return f.send("POST", scan, form.FormDataContentType(), body.String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.newClient()
			png := encodePNG(t, drawQR(t, await[*events.QR](c).Codes[0]))
			post(png).is(t, 200, `{"device":"4915112345678:#@s.whatsapp.net"}`)
			awaitBoth[*events.PairSuccess, *events.Connected](c)
		})
	}
	devices := f.get("/phones/4915112345678/devices")
	one := `\{"jid":"4915112345678:\d+@s.whatsapp.net","lid":"\d+:\d+@lid","platform":"[^"]*","connected":true,"queued":\d+\}`
	if !regexp.MustCompile(`^\{"devices":\[` + one + strings.Repeat(","+one, 4) + `\]\}$`).MatchString(devices.body) {
		t.Errorf("devices are %s", devices.body)
	}
}

func TestAScanThatCannotWorkSaysWhy(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	const scan = "/phones/4915112345678/scan" + patiently
	fail := func(status int, code, message, field string, got answer) {
		t.Helper()
		if field != "" {
			field = `,"field":"` + field + `"`
		}
		got.is(t, status, `{"error":{"code":"`+code+`","message":"`+message+`"`+field+`}}`)
	}
	const one = "expected one of code (the text of the QR), png or qr (a picture of it, in base64 or as a data URL)"
	fail(400, "invalid", one, "code", f.post(scan, `{}`))
	fail(400, "invalid", one, "code", f.post(scan, `{"code":"x","png":"x"}`))
	fail(400, "invalid", one, "code", f.post(scan, `{"code":"x","qr":{"code":"x"}}`))
	fail(400, "invalid", one, "code", f.post(scan, `{"outcome":"timeout","state":"RECONNECTING","qr":null}`))
	fail(400, "invalid", "expected a picture of the QR (in base64 or as a data URL), or an object with its text as code", "qr", f.post(scan, `{"qr":7}`))
	for _, said := range []string{
		`{"error":"QR_NOT_REQUIRED","message":"it is linked","current_state":"READY"}`,
		`{"type":"urn:wasup:error:conflict","title":"Conflict","status":409,"detail":"it is linked","code":"already_linked"}`,
	} {
		fail(422, "no_code", "the client shows no code: it is linked", "body", f.post(scan, said))
		fail(422, "no_code", "the client shows no code: it is linked", "body", f.post("/phones/4915112345678/code", said))
	}
	long := f.post(scan, `{"detail":"`+strings.Repeat("é", 500)+`"}`)
	fail(422, "no_code", "the client shows no code: "+strings.Repeat("é", 100)+"…", "body", long)
	fail(400, "bad_code", "code: expected ref,noise,identity,adv and perhaps a client type; got 1 parts", "code", f.post(scan, `{"code":"hello"}`))
	fail(400, "invalid", "expected a picture in base64, or a data URL of one", "png", f.post(scan, `{"png":"***"}`))
	fail(400, "invalid", "expected a PNG or JPEG picture", "body", f.send("POST", scan, "image/png", "hello"))
	fail(413, "too_large", "expected at most 4194304 bytes", "", f.send("POST", scan, "image/png", strings.Repeat("x", maxPicture+1)))
	blank := string(encodePNG(t, image.NewGray(image.Rect(0, 0, 200, 200))))
	fail(400, "no_qr", "expected a picture with one readable QR code", "body", f.send("POST", scan, "image/png", blank))
	fail(400, "invalid", "expected a form with a file in it", "body", f.send("POST", scan, "multipart/form-data; boundary=x", "--x--\r\n"))
	fail(400, "invalid", "expected a form with a boundary", "body", f.send("POST", scan, "multipart/form-data", "x"))
	fail(415, "unsupported_media_type", "expected application/json, image/png, image/jpeg or multipart/form-data", "", f.send("POST", scan, "text/plain", "x"))
	fail(404, "ref_unknown", "no client shows this code: it was scanned already, or its connection ended", "code", f.post(scan, fmt.Sprintf(`{"code":%q}`, pairingCode)))

	c := f.newClient()
	code := await[*events.QR](c).Codes[0]
	parts := strings.Split(code, ",")
	parts[2] = base64.StdEncoding.EncodeToString(make([]byte, 32))
	fail(400, "bad_code", "the keys in the code are not those of the client that shows it", "code", f.post(scan, fmt.Sprintf(`{"code":%q}`, strings.Join(parts, ","))))
	f.post("/faults", `{"kind":"bad_pair_hmac","count":1}`)
	fail(409, "pair_refused", "the client refused the pairing: 401 hmac-mismatch", "", f.post(scan, fmt.Sprintf(`{"code":%q}`, code)))
	await[*events.PairError](c)
}

func TestAScanOfAnExpiredCodeSaysSo(t *testing.T) {
	f := newFixtureWith(t, sandbox.Config{Authority: authority, FirstRefTTL: time.Nanosecond, RefTTL: time.Hour})
	f.addPhone("4915112345678", "")
	c := f.newClient()
	codes := await[*events.QR](c).Codes
	f.post("/phones/4915112345678/scan"+patiently, fmt.Sprintf(`{"code":%q}`, codes[0])).is(t, 410,
		`{"error":{"code":"ref_expired","message":"the code has expired; the client shows a newer one","field":"code"}}`)
	f.post("/phones/4915112345678/scan"+patiently, fmt.Sprintf(`{"code":%q}`, codes[1])).is(t, 200, `{"device":"4915112345678:#@s.whatsapp.net"}`)
	// Do not end while the client reconnects: whatsmeow's attempt would outlive the test.
	await[*events.Connected](c)
}

func TestADeviceIsUnlinkedAsOnThePhone(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	c := f.link("4915112345678")
	jid := f.server.Phones()[0].Devices()[0].JID.String()
	f.send("DELETE", "/phones/4915112345678/devices/"+jid, "", "").is(t, 204, "")
	await[*events.LoggedOut](c)
	f.get("/phones/4915112345678/devices").is(t, 200, `{"devices":[]}`)
}

func TestMessagesGoBothWaysThroughTheAPI(t *testing.T) {
	f := newFixture(t)
	ana, bruno := "4915112345678", "34600111222"
	f.addPhone(ana, "deliver")
	f.addPhone(bruno, "deliver")
	c := f.link(ana)

	sent := f.post("/phones/"+bruno+"/messages", `{"to":"+`+ana+`","text":"hola <3"}`)
	id := regexp.MustCompile(`^\{"id":"([0-9A-F]+)"\}$`).FindStringSubmatch(sent.body)
	if sent.status != 201 || id == nil {
		t.Fatalf("answered %d %s", sent.status, sent.body)
	}
	if got := await[*events.Message](c); got.Message.GetConversation() != "hola <3" || got.Info.ID != id[1] {
		t.Fatalf("the client reads %v", got.Message)
	}
	const times = `"time":"[^"]+"`
	f.matches("/phones/"+ana+"/messages"+patiently, `\{"messages":\[\{"id":"`+id[1]+`","chat":"`+bruno+`@s.whatsapp.net","from":"`+bruno+
		`@s.whatsapp.net","to":"`+ana+`@s.whatsapp.net","device":0,"from_me":false,"type":"text","text":"hola <3",`+times+`,"status":"received","copies":1,"kind":"text","name":"`+bruno+`"\}\]\}`)

	// Begin to wait for the reply before it is sent.
	waited := make(chan answer, 1)
	go func() { waited <- f.get("/phones/" + bruno + "/messages?wait=2m&after=" + id[1]) }()
	to, _ := f.server.Phone(bruno)
	response, err := c.cli.SendMessage(t.Context(), to.JID(), &waE2E.Message{Conversation: proto.String("buenas")})
	must(t, err)
	reply := <-waited
	if reply.status != 200 || !strings.Contains(reply.body, `"id":"`+response.ID+`"`) || !strings.Contains(reply.body, `"text":"buenas"`) || strings.Contains(reply.body, "hola") {
		t.Fatalf("answered %d %s", reply.status, reply.body)
	}
	f.send("POST", "/phones/"+bruno+"/messages/"+response.ID+"/read", "", "").is(t, 204, "")
	for {
		receipt := await[*events.Receipt](c)
		if receipt.Type == "read" && receipt.MessageIDs[0] == response.ID {
			break
		}
	}
	f.get("/phones/"+bruno+"/messages?wait=0s&after="+response.ID).is(t, 200, `{"messages":[]}`)
}

func (f *fixture) matches(path, pattern string) {
	f.t.Helper()
	if got := f.get(path); got.status != 200 || !regexp.MustCompile("^"+pattern+"$").MatchString(got.body) {
		f.t.Errorf("%s answers %d %s\nexpected %s", path, got.status, got.body, pattern)
	}
}

func TestActionsReachLiveConnections(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	f.post("/actions/drop", `{}`).is(t, 200, `{"connections":0}`)
	c := f.link("4915112345678")
	f.post("/actions/drop", `{"account":"34600111222"}`).is(t, 200, `{"connections":0}`)
	f.post("/actions/drop", `{"account":"+4915112345678"}`).is(t, 200, `{"connections":1}`)
	awaitBoth[*events.Disconnected, *events.Connected](c)
	f.post("/actions/stream-error", `{"code":599,"close":false}`).is(t, 200, `{"connections":1}`)
	if got := await[*events.StreamError](c); got.Code != "599" {
		t.Errorf("the client saw code %s", got.Code)
	}
	f.post("/actions/stream-error", `{"conflict":"replaced"}`).is(t, 200, `{"connections":1}`)
	await[*events.StreamReplaced](c)
}

func TestEventsAreStreamedAndAwaited(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/events?account=34600111222", nil)
	must(t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := f.client.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type %q", got)
	}
	stream := textproto.NewReader(bufio.NewReader(response.Body))
	line := func(pattern string) {
		t.Helper()
		got, err := stream.ReadLine()
		must(t, err)
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
			t.Fatalf("the stream says %q, expected %s", got, pattern)
		}
	}
	line(": listening")
	line("")
	f.addPhone("4915112345678", "") // another account: not in this stream
	f.addPhone("34600111222", "")
	line("event: phone")
	line(`data: \{"time":"[^"]+","kind":"phone","account":"34600111222","detail":"added"\}`)

	f.get("/events?kind=paired&wait=0s").is(t, 200, `{"events":[]}`)
}

func TestAnEventStreamEndsWithTheServer(t *testing.T) {
	f := newFixture(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/events", nil)
	must(t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := f.client.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	stream := bufio.NewScanner(response.Body)
	if !stream.Scan() {
		t.Fatal("the stream did not begin")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, f.server.Close(ctx))
	for stream.Scan() {
	}
	must(t, stream.Err())
}
