package app

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/sandbox/admin"
	"wasup/internal/testtools"
)

// guideShell comes before the commands of a guide. A request that is refused ends the script, and a stream ends by
// itself. refused runs a command whose refusal the guide announces.
const guideShell = `set -euo pipefail
curl() {
	local stream=() a
	for a in "$@"; do [ "$a" != -N ] || stream=(--max-time 1); done
	command curl --fail-with-body ${stream[@]+"${stream[@]}"} "$@" && return
	[ $? = 28 ] && [ ${#stream[@]} -gt 0 ] || { echo "refused: curl $*" >&2; return 1; }
}
refused() { ! "$@"; }
`

var (
	guideBlocks  = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	guideRefusal = regexp.MustCompile(`(?m)^curl (.*)# 4\d\d `)
)

// commandsOf returns the commands of a guide that talk to the servers.
func commandsOf(t *testing.T, guide string) (commands string) {
	t.Helper()
	text, err := os.ReadFile("../../" + guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range guideBlocks.FindAllSubmatch(text, -1) {
		if bytes.Contains(block[1], []byte("curl")) {
			commands += string(block[1])
		}
	}
	return guideRefusal.ReplaceAllString(commands, "refused curl $1# ")
}

// allSent waits until no message of any session is on its way, and fails for each that failed.
func (h *house) allSent() {
	h.t.Helper()
	sessions, _ := h.Get("/v1/sessions", 0).Is(http.StatusOK).Fields["items"].([]any)
	for _, item := range sessions {
		of := fmt.Sprintf("/v1/sessions/%v/messages?limit=100&state=", item.(map[string]any)["id"])
		apptest.Until(h.t, "nothing is on its way", func() bool {
			waiting, _ := h.Get(of+"queued,sending", 0).Is(http.StatusOK).Fields["items"].([]any)
			return len(waiting) == 0
		})
		failed, _ := h.Get(of+"failed", 0).Is(http.StatusOK).Fields["items"].([]any)
		for _, m := range failed {
			h.t.Errorf("a message of a guide failed: %v", m)
		}
	}
}

// TestTheCommandsOfTheGuidesWork runs the commands of each guide in one shell, as a reader pastes them, beside a wasup
// and a sandbox with the phones of `wasup serve --sandbox`. Only the addresses are replaced, and the folder on the web
// that a reader has.
func TestTheCommandsOfTheGuidesWork(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			testtools.Missing(t, tool+" on the PATH")
		}
	}
	all := files(t)
	all["a.jpg"] = all["a.png"]
	folder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(all[strings.TrimPrefix(r.URL.Path, "/")])
	}))
	defer folder.Close()
	for _, c := range []struct {
		guide string
		calls int // at least so many
		after string
	}{
		{guide: "README.md", calls: 10},
		{guide: "docs/messages.md", calls: 32},
		{guide: "docs/events.md", calls: 4, after: "docs/messages.md"},
		{guide: "docs/webhooks.md", calls: 1},
	} {
		t.Run(c.guide, func(t *testing.T) {
			h := newHouse(t, privately)
			phones := httptest.NewServer(admin.New(h.server, nil))
			defer phones.Close()
			for _, number := range []string{"5491155550101", "34600111222"} {
				answer, err := http.Post(phones.URL+admin.Prefix+"/phones", "application/json", strings.NewReader(`{"number":"`+number+`"}`))
				if err != nil || answer.StatusCode != http.StatusCreated {
					t.Fatal(answer, err)
				}
				_ = answer.Body.Close()
			}
			commands := commandsOf(t, c.guide)
			if n := strings.Count(commands, "curl "); n < c.calls {
				t.Fatalf("only %d commands were found", n)
			}
			if c.after != "" {
				commands = commandsOf(t, c.after) + commands
			}
			replaced := strings.NewReplacer("http://127.0.0.1:3001", h.Base, "http://127.0.0.1:3002", phones.URL, "https://shop.example", folder.URL)
			run := exec.CommandContext(t.Context(), "bash", "-c", guideShell+replaced.Replace(commands))
			run.Dir = t.TempDir()
			out, err := run.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
			h.allSent()
		})
	}
}
