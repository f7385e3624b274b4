package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
)

// message posts a message to session 1.
func (h *house) message(query, body string, header ...string) apptest.Answer {
	h.t.Helper()
	return h.Must(h.Try(context.Background(), http.MethodPost, "/v1/sessions/1/messages"+query, 1, body, header))
}

// sent posts a message, waits until WhatsApp has it, and returns its id.
func (h *house) sent(body string, header ...string) string {
	h.t.Helper()
	return h.message("?wait=server_ack&timeout=60s", body, header...).Is(200).Text("id")
}

func picture(t testing.TB) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 320, 200))
	for x := range 320 {
		img.Set(x, x%200, color.RGBA{uint8(x), 90, 10, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// voiceNote is two seconds of silence in ogg with opus.
func voiceNote() []byte {
	var all []byte
	page := func(position uint64, number uint32, packet []byte) {
		all = append(all, "OggS\x00\x00"...)
		all = binary.LittleEndian.AppendUint64(all, position)
		all = binary.LittleEndian.AppendUint32(all, 7)
		all = binary.LittleEndian.AppendUint32(all, number)
		all = append(all, 0, 0, 0, 0, 1, byte(len(packet)))
		all = append(all, packet...)
	}
	page(0, 0, append([]byte("OpusHead"), 1, 1, 0x38, 0x01, 0x80, 0xbb, 0, 0, 0, 0, 0))
	page(0, 1, append([]byte("OpusTags"), make([]byte, 8)...))
	page(2*48_000, 2, bytes.Repeat([]byte{3}, 90))
	return all
}

// files are small files whose first bytes show their type.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	rest := bytes.Repeat([]byte{7}, 3000)
	return map[string][]byte{
		"a.png":  picture(t),
		"a.mp4":  append([]byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"), rest...),
		"a.mp3":  append([]byte("ID3\x03\x00\x00\x00\x00\x00\x0a"), rest...),
		"a.ogg":  voiceNote(),
		"a.webp": append([]byte("RIFF\xd0\x0b\x00\x00WEBPVP8 "), rest...),
		"a.pdf":  append([]byte("%PDF-1.4\n"), rest...),
	}
}

// privately allows fetching files from private addresses, because the test's own server has one.
func privately(cfg *configs.Config) { cfg.Media.AllowPrivate = true }

func TestEveryKindThatIsPostedArrivesAsItIs(t *testing.T) {
	h := newHouse(t, privately)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	all := files(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(all[strings.TrimPrefix(r.URL.Path, "/")])
	}))
	defer server.Close()
	to := `"to":"` + bruno.Number() + `"`
	post := func(rest string) phones.Message {
		t.Helper()
		return arrived(t, bruno, h.sent(`{`+to+`,`+rest+`}`), phones.StatusRead)
	}

	text := post(`"text":"@` + ana.Number() + ` https://a.example/ ✓","mentions":["` + ana.Number() + `"],"preview":{"url":"https://a.example/","title":"T"}`)
	if text.Text != "@"+ana.Number()+" https://a.example/ ✓" || len(text.Mentions) != 1 || text.Preview == nil || text.Preview.Title != "T" {
		t.Errorf("text: %+v %+v", text, text.Preview)
	}
	reply := post(`"text":"yes","quote":{"id":"` + text.ID + `","from_me":true,"text":"what was asked"}`)
	if reply.Quote == nil || reply.Quote.ID != text.ID {
		t.Errorf("reply: %+v", reply.Quote)
	}
	for _, file := range []struct {
		kind, name string
		want       phones.Kind
		voice      bool
	}{
		{"image", "a.png", phones.KindImage, false},
		{"video", "a.mp4", phones.KindVideo, false},
		{"audio", "a.mp3", phones.KindAudio, false},
		{"voice", "a.ogg", phones.KindAudio, true},
		{"sticker", "a.webp", phones.KindSticker, false},
		{"document", "a.pdf", phones.KindDocument, false},
	} {
		got := post(`"kind":"` + file.kind + `","media":{"url":"` + server.URL + `/` + file.name + `"}`)
		if got.Kind != file.want || got.Media == nil || got.Media.Voice != file.voice {
			t.Errorf("%s arrived as %s, %+v", file.kind, got.Kind, got.Media)
			continue
		}
		same(t, file.kind, got, all[file.name])
	}
	place := post(`"location":{"latitude":-34.6037,"longitude":-58.3816,"name":"Obelisco"}`)
	if place.Location == nil || place.Location.Name != "Obelisco" || place.Location.Latitude != -34.6037 {
		t.Errorf("location: %+v", place.Location)
	}
	card := post(`"contacts":[{"name":"Ana","vcard":"BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"}]`)
	if card.Contact == nil || card.Contact.Name != "Ana" {
		t.Errorf("contact: %+v", card.Contact)
	}
	poll := post(`"poll":{"question":"When?","options":["today","tomorrow"],"selectable":1}`)
	if poll.Poll == nil || poll.Text != "When?" || len(poll.Poll.Options) != 2 || poll.Poll.Options[1].Name != "tomorrow" {
		t.Errorf("poll: %+v", poll.Poll)
	}
	for _, change := range []string{
		`"kind":"reaction","reaction":"👍","target":{"id":"` + reply.ID + `","from_me":true}`,
		`"kind":"edit","text":"no","target":{"id":"` + reply.ID + `","from_me":true}`,
		`"kind":"revoke","target":{"id":"` + place.ID + `","from_me":true}`,
	} {
		h.sent(`{` + to + `,` + change + `}`)
	}
	changed, err := bruno.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.ID == place.ID && m.Revoked })
	if err != nil {
		t.Fatalf("revoke: %v, %+v", err, changed)
	}
	changed, err = bruno.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.ID == reply.ID && m.Edited && len(m.Reactions) == 1 })
	if err != nil || changed.Text != "no" || changed.Reactions[0].Emoji != "👍" {
		t.Fatalf("edit and reaction: %v, %+v", err, changed)
	}
	if unknown := h.server.Counters().UnknownQueries; len(unknown) != 0 {
		t.Errorf("the sandbox does not know %v", unknown)
	}
}

// same checks that the file of a message has these bytes.
func same(t *testing.T, what string, got phones.Message, want []byte) {
	t.Helper()
	if got.Media == nil {
		t.Fatalf("%s: %+v has no file", what, got)
	}
	if content, err := got.Media.Bytes(); err != nil || !bytes.Equal(content, want) {
		t.Errorf("%s: %d bytes arrived, %d were sent, %v", what, len(content), len(want), err)
	}
}

func TestAFileArrivesAsWhatItIs(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	chat := `{"lid":"` + bruno.LID().String() + `","pn":"` + bruno.Number() + `@s.whatsapp.net"}` // as in an event
	for name, want := range map[string]phones.Kind{
		"film.mp4": phones.KindVideo, "turned.mp4": phones.KindVideo, "sound.m4a": phones.KindAudio, "sound.mp4": phones.KindAudio, "sound.webm": phones.KindAudio,
		"variable.mp3": phones.KindAudio, "film.webm": phones.KindDocument, "hevc.mp4": phones.KindDocument, "film.mov": phones.KindDocument, "film.avi": phones.KindDocument,
	} {
		content, err := os.ReadFile(filepath.Join("..", "media", "outgoing", "container", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		got := arrived(t, bruno, h.sent(`{"to":`+chat+`,"media":{"name":"download.php","base64":"`+base64.StdEncoding.EncodeToString(content)+`"}}`), phones.StatusRead)
		same(t, name, got, content)
		switch {
		case got.Kind != want:
			t.Errorf("%s arrives as %s, want %s", name, got.Kind, want)
		case want == phones.KindDocument && got.Media.FileName != "download"+filepath.Ext(name):
			t.Errorf("%s is called %q", name, got.Media.FileName)
		case want != phones.KindDocument && got.Media.Seconds != 3:
			t.Errorf("%s is shown with %d seconds", name, got.Media.Seconds)
		case want == phones.KindVideo && max(got.Media.Width, got.Media.Height) != 64:
			t.Errorf("%s is shown as %d by %d", name, got.Media.Width, got.Media.Height)
		}
	}
	film, err := os.ReadFile(filepath.Join("..", "media", "outgoing", "container", "testdata", "film.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	moving := h.sent(`{"to":` + chat + `,"kind":"video","media":{"animated":true,"base64":"` + base64.StdEncoding.EncodeToString(film) + `"}}`)
	if got := arrived(t, bruno, moving, phones.StatusRead); got.Kind != phones.KindVideo || !got.Media.GIF {
		t.Errorf("a film that is to play like a GIF arrives as %s, %+v", got.Kind, got.Media)
	}
	forced := base64.StdEncoding.EncodeToString([]byte("\x1a\x45\xdf\xa3\x87\x42\x82\x84webm"))
	if got := arrived(t, bruno, h.sent(`{"to":`+chat+`,"kind":"video","media":{"base64":"`+forced+`"}}`), phones.StatusRead); got.Kind != phones.KindVideo {
		t.Errorf("a WebM that is to be a video arrives as %s", got.Kind)
	}
}

func TestAFileComesInEveryWayThereIs(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	want := picture(t)
	to := `"to":"` + bruno.Number() + `"`

	id := h.sent(`{` + to + `,"text":"in base64","media":{"name":"a.png","base64":"` + base64.StdEncoding.EncodeToString(want) + `"}}`)
	got := arrived(t, bruno, id, phones.StatusRead)
	same(t, "base64", got, want)
	if got.Kind != phones.KindImage || got.Text != "in base64" || got.Media.Width != 320 || got.Media.Height != 200 || len(got.Media.Thumbnail) == 0 {
		t.Errorf("%s %q %+v", got.Kind, got.Text, got.Media)
	}

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, field := range [][2]string{{"to", bruno.Number()}, {"text", "in a form"}} {
		if err := w.WriteField(field[0], field[1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "a.png")
	if err == nil {
		_, err = part.Write(want)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	got = arrived(t, bruno, h.sent(form.String(), "Content-Type", w.FormDataContentType()), phones.StatusRead)
	same(t, "form", got, want)
	if got.Text != "in a form" {
		t.Errorf("%+v", got)
	}

	uploaded := h.Must(h.Try(context.Background(), http.MethodPost, "/v1/media?name=a.png", 1, string(want), []string{"Content-Type", "image/png"})).Is(201)
	for _, kind := range []phones.Kind{phones.KindImage, phones.KindDocument} {
		got = arrived(t, bruno, h.sent(`{`+to+`,"kind":"`+string(kind)+`","media":{"upload":"`+uploaded.Text("id")+`"}}`), phones.StatusRead)
		same(t, "upload", got, want)
		if got.Kind != kind {
			t.Errorf("%s, expected %s", got.Kind, kind)
		}
	}
	h.message("", `{`+to+`,"media":{"url":"http://127.0.0.1:9/"}}`).Is(422).With("code", "fetch_refused")
	h.message("", `{`+to+`,"media":{"upload":"0123456789abcdef0123456789abcdef"}}`).Is(410).With("code", "media_gone")
}

func TestOneKeySendsOneMessageWhateverIsRaced(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	body := `{"to":"` + bruno.Number() + `","text":"once","media":{"base64":"` + base64.StdEncoding.EncodeToString(picture(t)) + `"}}`
	const callers = 20
	answers := make(chan apptest.Answer, callers)
	for range callers {
		go func() {
			a, err := h.Try(context.Background(), http.MethodPost, "/v1/sessions/1/messages?wait=delivered&timeout=60s", 1, body, []string{"Idempotency-Key", "k1"})
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	ids, replayed := make(map[string]bool), 0
	for range callers {
		a := <-answers
		ids[a.Is(200).Text("id")] = true
		if a.Header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
	}
	if len(ids) != 1 || replayed != callers-1 {
		t.Errorf("ids %v, %d of %d were replays", ids, replayed, callers)
	}
	h.message("", strings.Replace(body, "once", "twice", 1), "Idempotency-Key", "k1").Is(422).With("code", "idempotency_reuse")
	h.message("", `{"to":"`+bruno.Number()+`","text":"other"}`, "Idempotency-Key", "k1").Is(422).With("code", "idempotency_reuse")
	for id := range ids {
		same(t, "once", arrived(t, bruno, id, phones.StatusRead), picture(t))
	}
	last := h.sent(`{"to":"` + bruno.Number() + `","text":"last"}`)
	arrived(t, bruno, last, phones.StatusRead)
	if got := received(bruno); len(got) != 2 {
		t.Errorf("the phone has %q", got)
	}
}

func TestAWaitSaysHowFarAMessageIsAndNothingElse(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	bruno.SetOnline(false)
	body := `{"to":"` + bruno.Number() + `","text":"hola"}`
	first := h.message("?wait=server_ack&timeout=60s", body, "Idempotency-Key", "k").Is(200).With("state", "server_ack")
	path := strings.TrimPrefix(first.Header.Get("Location"), "/v1/sessions")
	h.message("?wait=delivered&timeout=1ms", body, "Idempotency-Key", "k").Is(202).With("state", "server_ack", "id", first.Text("id"))
	bruno.SetOnline(true)
	h.message("?wait=delivered&timeout=60s", body, "Idempotency-Key", "k").Is(200)
	apptest.Until(t, "read", func() bool { return h.v1("GET", path, "").Is(200).Text("state") == "read" })
	read := h.v1("GET", path, "")
	if receipts, ok := read.Fields["receipts"].([]any); !ok || len(receipts) != 1 || read.Fields["delivered_at"] == nil || read.Fields["read_at"] == nil {
		t.Errorf("receipts: %s", read.Body)
	}
	if read.Fields["content"] != nil {
		t.Errorf("the text is kept: %s", read.Body)
	}

	h.v1("POST", "/1/stop", "").Is(200)
	away := h.message("?wait=server_ack&timeout=1ms", body).Is(202).With("state", "queued")
	if host, ok := away.Fields["session"].(map[string]any); !ok || host["can_send"] != false {
		t.Errorf("the session: %s", away.Body)
	}
	cancelled := h.message("", `{"to":"`+bruno.Number()+`","text":"never"}`).Is(202)
	own := strings.TrimPrefix(cancelled.Header.Get("Location"), "/v1/sessions")
	h.v1("POST", own+"/cancel", "").Is(200).With("state", "cancelled")
	h.v1("POST", own+"/cancel", "").Is(200).With("state", "cancelled")
	h.v1("POST", own+"/requeue", "").Is(409).With("code", "wrong_state")
	h.v1("POST", path+"/cancel", "").Is(409).With("code", "wrong_state")
	list := h.v1("GET", "/1/messages?state=queued,cancelled", "").Is(200)
	var page struct{ Items []struct{ ID, State string } }
	if err := json.Unmarshal(list.Body, &page); err != nil || len(page.Items) != 2 || page.Items[0].ID != cancelled.Text("id") || page.Items[1].ID != away.Text("id") {
		t.Errorf("%v %s", err, list.Body)
	}
	h.v1("POST", "/1/start", "").Is(200)
	arrived(t, bruno, away.Text("id"), phones.StatusRead)
	if got := received(bruno); len(got) != 2 {
		t.Errorf("the phone has %q", got)
	}
	h.v1("GET", "/1/messages/3EB0", "").Is(404).With("code", "message_not_found")
	h.v1("POST", "/nobody/messages", body).Is(404).With("code", "not_found")
}

func TestARecipientWithoutWhatsAppIsAProblemWithTheMessageInIt(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	failed := h.message("?wait=server_ack&timeout=60s", `{"to":"34699999999","text":"hola"}`).Is(422).With("code", "not_on_whatsapp")
	message, ok := failed.Fields["message"].(map[string]any)
	if !ok || message["state"] != "failed" || message["cause"] != "not_on_whatsapp" || message["can_requeue"] != true {
		t.Fatalf("%s", failed.Body)
	}
	path := strings.TrimPrefix(failed.Header.Get("Location"), "/v1/sessions")
	h.v1("GET", path, "").Is(200).With("state", "failed", "cause", "not_on_whatsapp")
	if _, err := h.server.AddPhone(phones.Config{Number: "34699999999", Script: phones.ScriptRead}); err != nil {
		t.Fatal(err)
	}
	h.v1("POST", path+"/requeue", "").Is(200)
	apptest.Until(t, "read", func() bool { return h.v1("GET", path, "").Text("state") == "read" })
}

func TestChatsAndContactsAreServedOverREST(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	contacts := h.v1("POST", "/1/contacts/check", `{"phones":["+`+bruno.Number()+`","34699999999"]}`).Is(200)
	var found struct {
		Items []struct {
			Phone      string
			OnWhatsApp bool `json:"on_whatsapp"`
		}
	}
	if err := json.Unmarshal(contacts.Body, &found); err != nil || len(found.Items) != 2 || !found.Items[0].OnWhatsApp || found.Items[1].OnWhatsApp || found.Items[0].Phone != "+"+bruno.Number() {
		t.Errorf("%v %s", err, contacts.Body)
	}
	id, err := bruno.SendText(apptest.Bounded(t), ana.Number(), "hola")
	if err != nil {
		t.Fatal(err)
	}
	h.v1("POST", "/1/chats/"+bruno.Number()+"/read", `{"ids":["`+id+`"]}`).Is(204)
	arrived(t, bruno, id, phones.StatusRead)
	h.v1("POST", "/1/chats/"+bruno.Number()+"/presence", `{"state":"typing"}`).Is(204)
	h.v1("POST", "/1/stop", "").Is(200)
	h.v1("POST", "/1/chats/"+bruno.Number()+"/presence", `{"state":"typing"}`).Is(409).With("code", "session_not_ready")
	h.v1("POST", "/1/contacts/check", `{"phones":["34600111222"]}`).Is(409).With("code", "session_not_ready")
}

func TestALockedDatabaseAcceptsNothingAndLosesNothing(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	before := h.sent(`{"to":"`+bruno.Number()+`","text":"before"}`, "Idempotency-Key", "k0")
	body := `{"to":"` + bruno.Number() + `","text":"hola","media":{"base64":"` + base64.StdEncoding.EncodeToString(picture(t)) + `"}}`
	tx, err := connect(t, h.cfg.Store.DSN).BeginTx(apptest.Bounded(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := h.message("", body, "Idempotency-Key", "k1").Is(503)
	if code := refused.Text("code"); code != "store_locked" && code != "store_unavailable" {
		t.Errorf("%s", refused.Body)
	}
	if refused.Header.Get("Retry-After") == "" || strings.Contains(string(refused.Body), "SQL") {
		t.Errorf("Retry-After %q, %s", refused.Header.Get("Retry-After"), refused.Body)
	}
	// A message that was accepted before can still be read.
	h.v1("GET", "/1/messages/"+before, "").Is(200)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	id := h.sent(body, "Idempotency-Key", "k1")
	same(t, "after the lock", arrived(t, bruno, id, phones.StatusRead), picture(t))
	if got := received(bruno); len(got) != 2 {
		t.Errorf("the phone has %q", got)
	}
}

func TestARepeatedRequestIsAnsweredWhenItsFileIsGone(t *testing.T) {
	h := newHouse(t, privately)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(picture(t)) }))
	body := `{"to":"` + bruno.Number() + `","media":{"url":"` + server.URL + `/a.png"}}`
	id := h.sent(body, "Idempotency-Key", "k")
	server.Close()
	if again := h.message("", body, "Idempotency-Key", "k").Is(200); again.Text("id") != id || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", again.Body)
	}
	h.message("", strings.Replace(body, "a.png", "b.png", 1), "Idempotency-Key", "k").Is(422).With("code", "idempotency_reuse")
	h.message("", `{"to":"`+bruno.Number()+`","text":"x"}`, "Idempotency-Key", "k").Is(422).With("code", "idempotency_reuse")
	h.message("", body, "Idempotency-Key", "k2").Is(502).With("code", "fetch_failed")
	same(t, "the file", arrived(t, bruno, id, phones.StatusRead), picture(t))
	if got := received(bruno); len(got) != 1 {
		t.Errorf("the phone has %q", got)
	}
}
