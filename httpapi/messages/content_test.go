package messages_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/messages"
	"wasup/httpapi/wire"
	"wasup/internal/message"
	"wasup/internal/session"
)

func TestWhatOthersWroteIsNotChanged(t *testing.T) {
	t.Parallel()
	status := apitest.Plain("shop", session.Ready, session.CauseConnected)
	status.Account = session.Account{JID: "5491155550199:1@s.whatsapp.net", LID: "99@lid"}
	f := sending("", status)
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for body, want := range map[string]int{
		`{"to":"5491155550101","kind":"edit","text":"x","target":{"id":"A","sender":"5491155550101"}}`:               400,
		`{"to":"120363041234567890@g.us","kind":"edit","text":"x","target":{"id":"A","sender":{"lid":"98765@lid"}}}`: 400,
		`{"to":"5491155550101","kind":"revoke","target":{"id":"A","sender":"5491155550101"}}`:                        400,
		`{"to":"5491155550101","kind":"edit","text":"x","target":{"id":"A","sender":"+54 9 11 5555-0199"}}`:          202,
		`{"to":"5491155550101","kind":"edit","text":"x","target":{"id":"A"}}`:                                        202,
		`{"to":"120363041234567890@g.us","kind":"revoke","target":{"id":"A","sender":"5491155550101"}}`:              202, // by an admin
		`{"to":"5491155550101","kind":"reaction","reaction":"👍","target":{"id":"A","sender":"5491155550101"}}`:       202,
		// A post as its event names it: the sender is the channel.
		`{"to":"120363041234567890@newsletter","kind":"reaction","reaction":"👍","target":{"id":"A","server_id":101,"sender":{"channel":"120363041234567890@newsletter"}}}`: 202,
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody)
		if answer.Status != want || (want == 400) != strings.Contains(answer.Body, `"field":"target.sender"`) {
			t.Errorf("%s\n%d %s", body, answer.Status, answer.Body)
		}
	}
}

func TestAFileBecomesTheKindThatShowsIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file message.Media
		want message.Kind
	}{
		{message.Media{Mime: "image/jpeg"}, message.KindImage},
		{message.Media{Mime: "image/gif"}, message.KindImage},
		{message.Media{Mime: "image/gif", Animated: true}, message.KindDocument},
		{message.Media{Mime: "image/webp", Animated: true}, message.KindImage},
		{message.Media{Mime: "video/mp4"}, message.KindVideo},
		{message.Media{Mime: "video/3gpp"}, message.KindVideo},
		{message.Media{Mime: "video/mp4", Unplayable: true}, message.KindDocument},
		{message.Media{Mime: "video/webm"}, message.KindDocument},
		{message.Media{Mime: "video/quicktime"}, message.KindDocument},
		{message.Media{Mime: "audio/mp4"}, message.KindAudio},
		{message.Media{Mime: "audio/webm"}, message.KindAudio},
		{message.Media{Mime: "image/svg+xml"}, message.KindDocument},
		{message.Media{}, message.KindDocument},
	} {
		if got := messages.KindOfFile(test.file); got != test.want {
			t.Errorf("%+v is sent as %s, want %s", test.file, got, test.want)
		}
	}
}

func TestAFieldImpliesItsKindAlsoIfItIsEmpty(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	const ana = `{"to":"5491155550101",`
	for body, want := range map[string]message.Kind{
		`"reaction":"","target":{"id":"A"}}`:                                           message.KindReaction,
		`"target":{"id":"A","from_me":true},"reaction":"","text":""}`:                  message.KindReaction,
		`"kind":"reaction","target":{"id":"A"}}`:                                       message.KindReaction,
		`"reaction":"👍","target":{"id":"A"}}`:                                          message.KindReaction,
		`"reaction":"","text":"hola"}`:                                                 message.KindText, // a program that writes every field
		`"reaction":"","text":"hola","mentions":[],"quote":{"id":"A"}}`:                message.KindText,
		`"reaction":"","text":"","poll":{"question":"q","options":["a","b"]}}`:         message.KindPoll,
		`"reaction":"","text":"","media":{"base64":"aW1hZ2UvanBlZ3xh"}}`:               message.KindImage,
		`"reaction":"","location":{"latitude":0,"longitude":0}}`:                       message.KindLocation,
		`"reaction":"","contacts":[{"name":"A","vcard":"BEGIN:VCARD\nEND:VCARD"}]}`:    message.KindContact,
		`"kind":"edit","reaction":"","text":"new","target":{"id":"A","from_me":true}}`: message.KindEdit,
		`"kind":"revoke","reaction":"","text":"","target":{"id":"A","from_me":true}}`:  message.KindRevoke,
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", ana+body, apitest.JSONBody)
		if answer.Status != 202 {
			t.Errorf("%s: %d %s", body, answer.Status, answer.Body)
		} else if kind := (*got)[len(*got)-1].Content.Kind; kind != want {
			t.Errorf("%s is of the kind %s, want %s", body, kind, want)
		}
	}
	for body, field := range map[string]string{
		`"reaction":""}`:                                "text",
		`"target":{"id":"A"}}`:                          "kind",
		`"target":{"id":"A"},"text":"new"}`:             "kind",
		`"target":{"id":"A"},"text":""}`:                "kind",
		`"target":{"id":"A"},"text":"","kind":"text"}`:  "target",
		`"contacts":[]}`:                                "contacts",
		`"poll":{}}`:                                    "poll.options",
		`"location":{}}`:                                "location.latitude",
		`"media":{}}`:                                   "media",
		`"reaction":"","target":{"id":"A"},"text":"x"}`: "text",
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", ana+body, apitest.JSONBody)
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || answer.Status != 400 || p.Field != field {
			t.Errorf("%s\nfield %q expected: %d %s", body, field, answer.Status, answer.Body)
		}
	}
	form, contentType := form(t, [2]string{"to", "5491155550101"}, [2]string{"message", `{"reaction":"","target":{"id":"A"}}`})
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", form, contentType); answer.Status != 202 || (*got)[len(*got)-1].Content.Kind != message.KindReaction {
		t.Errorf("in a form: %d %s", answer.Status, answer.Body)
	}
}

func TestADocumentIsNamedByItsBytes(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	for _, test := range []struct{ bytes, media, mime, want string }{
		{"application/pdf|a", `"mime":"image/jpeg"`, "image/jpeg", "file.pdf"},
		{"application/pdf|a", `"mime":"image/jpeg","name":"factura.enero"`, "image/jpeg", "factura.enero.pdf"},
		{"application/pdf|a", `"mime":"application/x-invoice","name":"factura"`, "application/x-invoice", "factura.pdf"},
		{"application/pdf|a", `"name":"ACME S.A"`, "application/pdf", "ACME S.A.pdf"},
		{"application/pdf|a", `"mime":"application/pdf"`, "application/pdf", ""},
		{"image/png|a", `"mime":"application/pdf"`, "application/pdf", "file.png"},
		{"application/zip|a", `"mime":"application/epub+zip","name":"libro"`, "application/epub+zip", "libro.epub"},
		{"text/plain|a", `"mime":"text/csv"`, "text/csv", ""},
		{"no type", `"mime":"application/pdf","name":"factura"`, "application/pdf", "factura.pdf"},
	} {
		body := `{"to":"5491155550101","kind":"document","media":{"base64":"` + base64.StdEncoding.EncodeToString([]byte(test.bytes)) + `",` + test.media + `}}`
		if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody); answer.Status != 202 {
			t.Fatalf("%s: %d %s", test.media, answer.Status, answer.Body)
		}
		// Without a name the message gets one of its type when it leaves.
		if m := (*got)[len(*got)-1].Content.Media; m.Mime != test.mime || m.Name != test.want {
			t.Errorf("%s with %s is %s named %q, want %q", test.bytes, test.media, m.Mime, m.Name, test.want)
		}
	}
}

func TestWhatIsWrongWithAFileNamesTheFieldThatItCameBy(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	f.Fetching = func(string) (string, error) {
		return "", &session.Error{Code: session.CodeFetchFailed, Op: "fetch", Message: "the address answered with HTTP 404"}
	}
	f.Folder = &apitest.Folder{Bytes: map[string][]byte{}, Limit: 25}
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 4096}, &f)
	for _, c := range []struct {
		body, field, code string
		status            int
	}{
		{`{"to":"5491155550101","media":{"url":"https://a.example/"}}`, "media.url", "fetch_failed", 502},
		{`{"to":"5491155550101","media":{"upload":"gone"}}`, "media.upload", "media_gone", 410},
		{`{"to":"5491155550101","media":{"base64":"` + strings.Repeat("QUJD", 10) + `"}}`, "media.base64", "media_too_large", 413},
		{`{"to":"5491155550101","media":{"base64":"data:text/plain;base64,"}}`, "media.base64", "invalid_request", 400},
		{`{"to":"5491155550101","media":{"base64":"` + base64.StdEncoding.EncodeToString([]byte("image/png|abc…")) + `"}}`, "media", "invalid_request", 400},
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", c.body, apitest.JSONBody)
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || answer.Status != c.status || p.Code != c.code || p.Field != c.field ||
			len(p.Errors) != 1 || p.Errors[0].Field != c.field {
			t.Errorf("%s\n%d %s", c.body, answer.Status, answer.Body)
		}
	}
	body, contentType := form(t, [2]string{"to", "5491155550101"}, [2]string{"file", ""})
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, contentType); answer.Status != 400 || !strings.Contains(answer.Body, `"field":"file"`) {
		t.Errorf("an empty part: %d %s", answer.Status, answer.Body)
	}
	if left := f.Folder.Names(); len(left) > 0 {
		t.Errorf("files of refused messages were kept: %v", left)
	}
}
