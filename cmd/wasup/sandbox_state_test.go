package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"
)

var adminAt = regexp.MustCompile(`(?m)^  admin API +(http://\S+)/$`)

// A killed process cannot save anything, so uploaded files must be on disk before.
func TestASandboxThatIsKilledHasItsFilesAndProfilesAfterwards(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	start := func() (*apptest.Child, apptest.Caller) {
		t.Helper()
		c := apptest.StartChild(t, "sandbox", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state", folder)
		apptest.Until(t, "the addresses are printed", func() bool { return strings.Contains(c.Stdout.String(), "wasup serve") })
		return c, apptest.NewCaller(t, adminAt.FindStringSubmatch(c.Stdout.String())[1])
	}
	ask := func(api apptest.Caller, method, path, contentType string, body []byte) []byte {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, api.Base+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", contentType)
		response, err := api.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var answer bytes.Buffer
		if _, err = answer.ReadFrom(response.Body); err != nil || response.StatusCode >= 300 {
			t.Fatalf("%s %s answered %s: %s, %v", method, path, response.Status, &answer, err)
		}
		return answer.Bytes()
	}
	running, api := start()
	for _, number := range []string{ana, bruno} {
		ask(api, "POST", "/phones", "application/json", []byte(`{"number":"`+number+`"}`))
	}
	face := append([]byte{0xff, 0xd8, 0xff}, bytes.Repeat([]byte("face"), 300)...)
	ask(api, "PUT", "/phones/"+ana+"/picture", "image/jpeg", face)
	ask(api, "PATCH", "/phones/"+ana, "application/json", []byte(`{"about":"still here"}`))
	var sent struct{ ID string }
	plan := bytes.Repeat([]byte("plan "), 20_000)
	message, err := json.Marshal(map[string]any{"to": bruno, "kind": string(phones.KindDocument), "media": map[string]any{"data": plan, "file_name": "plan.txt"}})
	if err != nil {
		t.Fatal(err)
	}
	if err = json.Unmarshal(ask(api, "POST", "/phones/"+ana+"/messages", "application/json", message), &sent); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "both phones' messages are in the log", func() bool {
		log, err := os.ReadFile(filepath.Join(folder, "state.log"))
		return err == nil && bytes.Count(log, []byte(`"m/`)) >= 2 && bytes.Contains(log, []byte("still here"))
	})
	running.Kill()

	_, api = start()
	for _, number := range []string{ana, bruno} {
		if got := ask(api, "GET", "/phones/"+number+"/messages/"+sent.ID+"/media", "", nil); !bytes.Equal(got, plan) {
			t.Errorf("%s has %d bytes of the file, expected %d", number, len(got), len(plan))
		}
	}
	if got := ask(api, "GET", "/phones/"+ana+"/picture", "", nil); !bytes.Equal(got, face) {
		t.Errorf("the picture has %d bytes", len(got))
	}
	if got := ask(api, "GET", "/phones/"+ana, "", nil); !bytes.Contains(got, []byte(`"about":"still here"`)) {
		t.Errorf("the phone is %s", got)
	}
}
