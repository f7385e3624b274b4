package app

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
	"wasup/internal/testtools"
)

// interopFolder has a WhatsApp client that is not ours. Its package comment says what it needs and why.
const interopFolder = "../sandbox/interop"

// baileys drives that client with lines of JSON, as its script describes.
type baileys struct {
	t  *testing.T
	in io.Writer

	mu      sync.Mutex
	lines   []map[string]any
	changed chan struct{}
	ended   bool
	asked   int
}

// startBaileys runs the client. The client trusts the server's CA, because files use https.
func startBaileys(t *testing.T, ca string) *baileys {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(interopFolder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	have, _ := os.ReadFile(filepath.Join(interopFolder, "node_modules", ".installed-from"))
	if string(have) != hex.EncodeToString(sum[:]) {
		testtools.Missing(t, "the npm packages of sandbox/interop, as package-lock.json has them")
	}
	node := filepath.Join("node_modules", ".bin", "node") // installed there if the machine's own Node is too old
	if _, err := os.Stat(filepath.Join(interopFolder, node)); err != nil {
		if node, err = exec.LookPath("node"); err != nil {
			testtools.Missing(t, "Node")
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, "client.mjs")
	cmd.Dir = interopFolder
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca)
	errors := &apptest.Record{}
	cmd.Stderr = errors
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &baileys{t: t, in: in, changed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.listen(out)
	}()
	t.Cleanup(func() {
		_ = in.Close() // the script ends when its input ends
		timer := time.AfterFunc(apptest.Patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		<-done
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the script ended with %v and wrote:\n%s", err, errors.Tail(40))
		}
	})
	return b
}

func (b *baileys) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		var told map[string]any
		if err == nil {
			err = json.Unmarshal(line, &told)
		}
		b.mu.Lock()
		if b.ended = err != nil; !b.ended {
			b.lines = append(b.lines, told)
		}
		close(b.changed)
		b.changed = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			_, _ = io.Copy(io.Discard, lines)
			return
		}
	}
}

// find waits for a line that has these values.
func (b *baileys) find(values map[string]any) map[string]any {
	b.t.Helper()
	timer := time.NewTimer(apptest.Patience)
	defer timer.Stop()
	for {
		b.mu.Lock()
		lines, changed, ended := b.lines, b.changed, b.ended
		b.mu.Unlock()
		for _, line := range lines {
			same := true
			for name, value := range values {
				same = same && line[name] == value
			}
			if same {
				return line
			}
		}
		if ended {
			b.t.Fatalf("the script ended before it told %v", values)
		}
		select {
		case <-changed:
		case <-timer.C:
			b.t.Fatalf("the script never told %v", values)
		}
	}
}

// do runs a command, which must succeed.
func (b *baileys) do(name string, given map[string]any) map[string]any {
	b.t.Helper()
	b.asked++
	command := map[string]any{"id": b.asked, "do": name}
	for field, value := range given {
		command[field] = value
	}
	line, err := json.Marshal(command)
	if err == nil {
		_, err = b.in.Write(append(line, '\n'))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	answer := b.find(map[string]any{"id": float64(b.asked), "event": nil})
	if answer["error"] != nil {
		b.t.Fatalf("%s: %v", name, answer["error"])
	}
	result, _ := answer["result"].(map[string]any)
	return result
}

// sends runs a command that sends a message and returns the message's id.
func (b *baileys) sends(name string, given map[string]any) string {
	b.t.Helper()
	id, _ := b.do(name, given)["id"].(string)
	if id == "" {
		b.t.Fatalf("%s gave no id", name)
	}
	return id
}

// pair links the client to a phone and waits until it is logged in.
func (b *baileys) pair(server *sandbox.Server, phone *sandbox.Phone) {
	b.t.Helper()
	key := server.RootPublicKey()
	b.do("open", map[string]any{"url": server.URL(), "key": hex.EncodeToString(key[:]), "store": b.t.TempDir()})
	code, _ := b.find(map[string]any{"event": "qr"})["code"].(string)
	if _, err := phone.Scan(apptest.Bounded(b.t), code); err != nil {
		b.t.Fatal(err)
	}
	b.find(map[string]any{"event": "ready"})
}

// trusting writes the server's CA to a file that the processes started from now on trust.
func trusting(t *testing.T, server *sandbox.Server) string {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", ca)
	return ca
}
