package messages_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"wasup/httpapi/apitest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Every example that a reader may copy must work.
func TestEveryCallOfTheGuideIsTaken(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	r, got := taking(t)
	kinds := make(map[message.Kind]bool)
	calls := regexp.MustCompile(`(?m)-d '(\{.*\})' "?\$W(/messages[^\s"]*)"?`).FindAllStringSubmatch(string(guide), -1)
	if len(calls) < 20 {
		t.Fatalf("only %d calls were found", len(calls))
	}
	values := strings.NewReplacer(`'$ID'`, "UPLOAD", `'$GROUP'`, "120363041234567890@g.us", `'$ASKED'`, "3A5B0C0D", `'$SENT'`, "3EB0C767D097B7C7C030", `'$STATUS'`, "3EB0B1", `'$CHANNEL'`, "120363400000000001@newsletter", `'$POST'`, "3EB0B2")
	uploads := regexp.MustCompile(`"upload":"'\$\(upload \$FILES/(\S+)\)'"`) // the rig knows a file's type by the end of its URL
	r.Sessions.Waiting = func(_ context.Context, _ session.ID, _ string, until message.State) (message.Message, error) {
		return stored((*got)[len(*got)-1], until), nil
	}
	for _, call := range calls {
		body := values.Replace(uploads.ReplaceAllString(call[1], `"url":"https://shop.example/$1"`))
		answer := r.Do(t, "POST", "/v1/sessions/shop"+call[2], body, apitest.JSONBody)
		if answer.Status != 202 && answer.Status != 200 {
			t.Errorf("%s\n%d %s", call[0], answer.Status, answer.Body)
			continue
		}
		kinds[(*got)[len(*got)-1].Content.Kind] = true
	}
	for _, kind := range message.SendableKinds() {
		if !kinds[kind] {
			t.Errorf("the guide does not send a %s", kind)
		}
	}
	for _, state := range message.States() {
		if !strings.Contains(string(guide), "`"+string(state)+"`") {
			t.Errorf("the guide does not say what %s is", state)
		}
	}
}
