package app

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

// clone makes a folder that has what a reader's clone of the sources has, and takes what the commands of a guide write.
func clone(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	docs, err := filepath.Abs("../../docs")
	if err == nil {
		err = os.Symlink(docs, filepath.Join(folder, "docs"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestTheCommandsOfTheGuidesWork runs the commands of each guide in one shell, as a reader pastes them, beside a wasup
// and a sandbox with the phones of `wasup serve --sandbox`. Only the addresses of the two servers are replaced.
func TestTheCommandsOfTheGuidesWork(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			testtools.Missing(t, tool+" on the PATH")
		}
	}
	for guide, calls := range map[string]int{ // at least so many
		"README.md": 10, "docs/messages.md": 32, "docs/events.md": 7, "docs/webhooks.md": 1,
	} {
		t.Run(guide, func(t *testing.T) {
			h := newHouse(t)
			phones := httptest.NewServer(admin.New(h.server, nil))
			defer phones.Close()
			for _, number := range []string{"5491155550101", "34600111222"} {
				answer, err := http.Post(phones.URL+admin.Prefix+"/phones", "application/json", strings.NewReader(`{"number":"`+number+`"}`))
				if err != nil || answer.StatusCode != http.StatusCreated {
					t.Fatal(answer, err)
				}
				_ = answer.Body.Close()
			}
			commands := commandsOf(t, guide)
			if n := strings.Count(commands, "curl "); n < calls {
				t.Fatalf("only %d commands were found", n)
			}
			replaced := strings.NewReplacer("http://127.0.0.1:3001", h.Base, "http://127.0.0.1:3002", phones.URL)
			run := exec.CommandContext(t.Context(), "bash", "-c", guideShell+replaced.Replace(commands))
			run.Dir = clone(t)
			out, err := run.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
			h.allSent()
		})
	}
}
