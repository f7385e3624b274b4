package interop_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/testtools"
)

// patience bounds every wait. It is long because the machine may be slow and busy.
const patience = 2 * time.Minute

// needNode returns the path of node. Without Node and the pinned packages the test is skipped or fails.
func needNode(t *testing.T) string {
	t.Helper()
	node, err := installed()
	if err != nil {
		testtools.Missing(t, err.Error())
	}
	return node
}

var installed = sync.OnceValues(findNode)

// oldest is the oldest major version of Node that baileys runs on.
const oldest = 20

// findNode checks that `make tools` has installed the pinned packages, and returns the path of a Node that is new
// enough: the machine's, or the one among the packages.
func findNode() (string, error) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	have, err := os.ReadFile(filepath.Join("node_modules", ".installed-from"))
	if err != nil || string(have) != hex.EncodeToString(sum[:]) {
		return "", errors.New("the npm packages of sandbox/interop, as package-lock.json has them")
	}
	for _, node := range []string{"node", filepath.Join("node_modules", ".bin", "node")} {
		path, err := exec.LookPath(node)
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return "", err
		}
		if out, err := exec.Command(path, "--version").Output(); err == nil {
			first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
			if major, err := strconv.Atoi(first); err == nil && major >= oldest {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("Node %d or newer (node on the PATH)", oldest)
}

// told is one line of the script's output: an event, or the answer to a command.
type told struct {
	Event, Code, JID, LID, Chat, Text, Error string

	ID     any // of the message, or of the command that the line answers
	FromMe bool
	Status any // a word for messages, a number for closed connections
	Result json.RawMessage
}

// message returns the id of the message that an event is about.
func (e told) message() string { s, _ := e.ID.(string); return s }

// status returns Status as text.
func (e told) status() string { return fmt.Sprint(e.Status) }

// script is a running client.mjs.
type script struct {
	t     *testing.T
	store string

	in     io.WriteCloser
	errors *tail

	mu      sync.Mutex
	last    float64
	lines   []told
	changed chan struct{}
	ended   bool
}

// start runs the script with its own folder for credentials.
func start(t *testing.T) *script {
	t.Helper()
	return startOn(t, t.TempDir())
}

// startTrusting runs the script so that Node itself trusts a server's CA. Files need this, because they are transferred
// by https.
func startTrusting(t *testing.T, server *sandbox.Server) *script {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, server.CAPEM(), 0o600))
	return startOn(t, t.TempDir(), "NODE_EXTRA_CA_CERTS="+ca)
}

func startOn(t *testing.T, store string, env ...string) *script {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), needNode(t), "client.mjs")
	cmd.Env = append(os.Environ(), env...)
	s := &script{t: t, store: store, errors: &tail{}, changed: make(chan struct{})}
	cmd.Stderr = s.errors
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	s.in = in
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.listen(out)
	}()
	t.Cleanup(func() {
		// The script ends when its input ends. If it does not, it is killed.
		_ = in.Close()
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("the script ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the script wrote:\n%s", s.errors)
		}
	})
	s.await("started", nil)
	return s
}

// tail keeps the end of what the script writes to standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 8 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if over := len(w.text) - tailSize; over > 0 {
		w.text = slices.Clone(w.text[over:])
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}

func (s *script) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		var one told
		if err == nil {
			err = json.Unmarshal(line, &one)
		}
		s.mu.Lock()
		if err != nil {
			s.ended = true
			if !errors.Is(err, io.EOF) {
				one = told{Event: "broken", Text: err.Error()}
				s.lines = append(s.lines, one)
			}
		} else {
			s.lines = append(s.lines, one)
		}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			// The output after a broken line is read too, so that the script does not block.
			_, _ = io.Copy(io.Discard, lines)
			return
		}
	}
}

// find waits for the first line that accept accepts.
func (s *script) find(what string, accept func(told) bool) told {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		lines, changed, ended := s.lines, s.changed, s.ended
		s.mu.Unlock()
		if i := slices.IndexFunc(lines, accept); i >= 0 {
			return lines[i]
		}
		if ended {
			s.t.Fatalf("the script ended before %s\n%s", what, s.errors)
		}
		select {
		case <-changed:
		case <-deadline.C:
			s.t.Fatalf("no %s in time; the script told %s", what, s.summary(lines))
		}
	}
}

func (s *script) summary(lines []told) string {
	var names []string
	for _, line := range lines {
		names = append(names, strings.TrimSpace(line.Event+" "+line.Text+line.Error))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// told returns all lines so far.
func (s *script) told() []told {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// await waits for an event.
func (s *script) await(event string, accept func(told) bool) told {
	s.t.Helper()
	return s.find(event, func(one told) bool { return one.Event == event && (accept == nil || accept(one)) })
}

// try sends a command and returns its result, or the client's error.
func (s *script) try(name string, given map[string]any) (map[string]any, error) {
	s.t.Helper()
	s.mu.Lock()
	s.last++
	id := s.last
	s.mu.Unlock()
	command := map[string]any{"id": id, "do": name}
	for key, value := range given {
		command[key] = value
	}
	line, err := json.Marshal(command)
	must(s.t, err)
	_, err = s.in.Write(append(line, '\n'))
	must(s.t, err)
	answer := s.find("answer to "+name, func(one told) bool { return one.Event == "" && one.ID == id })
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", name, answer.Error)
	}
	var result map[string]any
	must(s.t, json.Unmarshal(answer.Result, &result))
	return result, nil
}

// do sends a command that has to succeed, and returns its result.
func (s *script) do(name string, given map[string]any) map[string]any {
	s.t.Helper()
	result, err := s.try(name, given)
	must(s.t, err)
	return result
}

// send sends a command that sends a message, and returns the message's id.
func (s *script) send(name string, given map[string]any) string {
	s.t.Helper()
	id, ok := s.do(name, given)["id"].(string)
	if !ok || id == "" {
		s.t.Fatalf("%s gave no id", name)
	}
	return id
}

// reads waits for a message with this text and returns the message's id.
func (s *script) reads(text string) string {
	s.t.Helper()
	return s.await("message", func(one told) bool { return one.Text == text && !one.FromMe }).message()
}

// reached waits until a message of the script has this status or a later one.
func (s *script) reached(id, status string) {
	s.t.Helper()
	order := []string{"SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED"}
	enough := order[slices.Index(order, status):]
	s.await("status", func(one told) bool { return one.message() == id && slices.Contains(enough, one.status()) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
