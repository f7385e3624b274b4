package webhooks

import (
	"errors"
	"strings"
	"testing"

	"wasup/internal/events"
	"wasup/internal/session"
)

func TestWebhooksAreChecked(t *testing.T) {
	good := Webhook{
		URL: "https://hooks.example:8443/in?key=k", Description: "ürgent", Events: []events.Type{events.TypeMessage, events.TypeCall},
		Headers: map[string]string{"X-Tenant": "a b\tc", "authorization": "Bearer x"}, Secret: "whsec_" + strings.Repeat("YWFh", 8),
	}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	headers := func(name, value string) func(*Webhook) {
		return func(w *Webhook) { w.Headers = map[string]string{name: value} }
	}
	address := func(text string) func(*Webhook) { return func(w *Webhook) { w.URL = text } }
	for what, test := range map[string]struct {
		spoil func(*Webhook)
		field string
	}{
		"no URL":                 {address(""), "url"},
		"another scheme":         {address("ftp://a.example/"), "url"},
		"a port beyond the last": {address("https://a.example:99999/"), "url"},
		"port 0":                 {address("https://a.example:0/"), "url"},
		"no host":                {address("https:///x"), "url"},
		"no URL at all":          {address("https://a b/"), "url"},
		"a password":             {address("https://u:p@a.example/"), "url"},
		"a fragment":             {address("https://a.example/#x"), "url"},
		"a long URL":             {address("https://a.example/" + strings.Repeat("x", 2000)), "url"},
		"a long description":     {func(w *Webhook) { w.Description = strings.Repeat("é", 201) }, "description"},
		"an unknown type":        {func(w *Webhook) { w.Events = []events.Type{"message"} }, "events"},
		"the test's type":        {func(w *Webhook) { w.Events = []events.Type{events.TypeTest} }, "events"},
		"a type twice":           {func(w *Webhook) { w.Events = []events.Type{events.TypeCall, events.TypeCall} }, "events"},
		"a header without name":  {headers("", "a"), "headers"},
		"a header with a space":  {headers("X A", "a"), "headers"},
		"a header of ours":       {headers("webhook-signature", "a"), "headers"},
		"a header of HTTP":       {headers("content-length", "1"), "headers"},
		"the host":               {headers("HOST", "a"), "headers"},
		"a header with a line":   {headers("X-A", "a\r\nX-B: b"), "headers.X-A"},
		"a header beyond ASCII":  {headers("X-A", "é"), "headers.X-A"},
		"a long header":          {headers("X-A", strings.Repeat("x", 2001)), "headers.X-A"},
		"a secret without begin": {func(w *Webhook) { w.Secret = strings.Repeat("YWFh", 8) }, "secret"},
		"a short secret":         {func(w *Webhook) { w.Secret = "whsec_YWFh" }, "secret"},
		"a long secret":          {func(w *Webhook) { w.Secret = "whsec_" + strings.Repeat("YWFh", 22) }, "secret"},
		"no base64":              {func(w *Webhook) { w.Secret = "whsec_" + strings.Repeat("!", 40) }, "secret"},
	} {
		bad := good
		test.spoil(&bad)
		var e *session.Error
		if err := bad.Check(); !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != test.field || !strings.HasPrefix(e.Message, test.field) {
			t.Errorf("%s: %v", what, err)
		} else if strings.Contains(e.Message, "u:p@") || strings.Contains(e.Message, "YWFh") {
			t.Errorf("%s: a credential is repeated: %v", what, err)
		}
	}
	many := good
	many.Headers = make(map[string]string)
	for c := 'a'; c <= 'u'; c++ {
		many.Headers["X-"+string(c)] = ""
	}
	var e *session.Error
	if err := many.Check(); !errors.As(err, &e) || e.Field != "headers" {
		t.Errorf("21 headers: %v", err)
	}
}

func TestAWebhookKnowsWhatItWants(t *testing.T) {
	all, some := Webhook{}, Webhook{Session: "51", Events: []events.Type{events.TypeCall}}
	if !all.Sends(events.TypeQR) || !all.Covers("52") || some.Sends(events.TypeQR) || !some.Sends(events.TypeCall) || some.Covers("52") || !some.Covers("51") {
		t.Errorf("%+v, %+v", all, some)
	}
}
