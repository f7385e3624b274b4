package interop_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wasup/internal/sandbox/admin"
)

// guide returns the text of docs/sandbox.md.
func guide(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "sandbox.md"))
	must(t, err)
	return string(raw)
}

func TestTheGuidesBaileysExampleLinks(t *testing.T) {
	node := needNode(t)
	source, err := os.ReadFile("example.mjs")
	must(t, err)
	if !strings.Contains(guide(t), "```js\n"+string(source)+"```\n") {
		t.Error("docs/sandbox.md does not show example.mjs as it is")
	}
	path, err := filepath.Abs("example.mjs")
	must(t, err)
	server := newServer(t)
	front := httptest.NewServer(admin.New(server, nil))
	defer front.Close()

	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, node, path)
	cmd.Dir = t.TempDir() // the example stores its credentials here
	cmd.Env = append(os.Environ(), "SANDBOX="+front.URL+admin.Prefix)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines, linked := bufio.NewScanner(out), ""
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "linked as "); ok {
			linked = name
			break
		}
	}
	devices := server.Phones()[0].Devices()
	if len(devices) != 1 || devices[0].JID.String() != linked {
		t.Errorf("the example is linked as %q, the phone lists %+v", linked, devices)
	}
	must(t, cmd.Process.Kill())
	_, _ = io.Copy(io.Discard, out)
	var exit *exec.ExitError
	if err = cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("the example ended with %v", err)
	}
}

func TestTheGuidesWhatsmeowExampleLinks(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	must(t, err)
	_, function, found := strings.Cut(string(source), "// sandboxClient makes")
	if !found || !strings.Contains(guide(t), "```go\n// sandboxClient makes"+function+"```\n") {
		t.Error("docs/sandbox.md does not show sandboxClient as it is")
	}
	server := newServer(t)
	address, err := url.Parse(server.URL())
	must(t, err)
	key := server.RootPublicKey()
	if _, err = sandboxClient(nil, address.Host, "abc"); err == nil {
		t.Error("a bad key was taken")
	}
	linkPeer(t, func(p *peer) {
		cli, err := sandboxClient(p.cli.Store, address.Host, hex.EncodeToString(key[:]))
		must(t, err)
		p.cli = cli
	}, newPhone(t, server, "Ana"))
}

// The guide's pieces of a whole program are joined as the guide says, and run in a folder of their own.
func TestTheGuidesWholeProgramLinksAndLogsInAgain(t *testing.T) {
	text := guide(t)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n").FindAllStringSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("the guide has %d pieces of Go", len(blocks))
	}
	folder := t.TempDir()
	source, program := filepath.Join(folder, "main.go"), filepath.Join(folder, "client")
	must(t, os.WriteFile(source, []byte(blocks[1][1]+"\n"+blocks[0][1]), 0o600))
	if out, err := exec.CommandContext(within(t), "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("it is not built: %v\n%s", err, out)
	}
	server := newServer(t)
	front := httptest.NewServer(admin.New(server, nil))
	defer front.Close()
	for _, time := range []string{"first", "second"} {
		cmd := exec.CommandContext(within(t), program)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "SANDBOX="+front.URL+admin.Prefix)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("the %s time it ended with %v\n%s", time, err, out)
		}
		// The output may also have lines of libsignal: messages come again because the program left before they were
		// acknowledged.
		phones := server.Phones()
		if len(phones) != 1 || len(phones[0].Devices()) != 1 || !strings.Contains(string(out), "linked as "+phones[0].Devices()[0].JID.String()+"\n") {
			t.Errorf("the %s time it says %q, and there are %d phones", time, out, len(phones))
		}
	}
}

func TestTheServerRouteHasTheTLSFieldsOfTheGuide(t *testing.T) {
	server := newServer(t)
	front := httptest.NewServer(admin.New(server, nil))
	defer front.Close()
	request, err := http.NewRequestWithContext(within(t), http.MethodGet, front.URL+admin.Prefix+"/server", nil)
	must(t, err)
	response, err := front.Client().Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	var told map[string]string
	must(t, json.NewDecoder(response.Body).Decode(&told))
	for _, field := range []string{"websocket_url", "secure_websocket_url", "root_public_key", "ca_pem"} {
		if told[field] == "" || !strings.Contains(guide(t), "`"+field+"`") {
			t.Errorf("%s is %q, or the guide does not name it", field, told[field])
		}
	}
}
