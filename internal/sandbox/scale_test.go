//go:build unix

package sandbox_test

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/wire"
)

// crowdEnv turns this test binary into a crowd of light clients. They run in a separate process, so that memory and CPU
// time of this process belong to the server alone.
const crowdEnv = "WASUP_TEST_CROWD"

// crowd describes the clients.
type crowd struct {
	URL     string
	Clients []crowdClient
}

type crowdClient struct {
	Number uint64
	Device uint32
	Peer   uint32 // another device of the account
}

// crowdKey returns the Noise key of a client.
func crowdKey(i int) (*ecdh.PrivateKey, error) {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("crowd"), uint64(i)))
	return ecdh.X25519().NewPrivateKey(seed[:])
}

// TestCrowdProcess is not a test: it is the code of the child process.
func TestCrowdProcess(t *testing.T) {
	file := os.Getenv(crowdEnv)
	if file == "" {
		t.Skip("only in the child process of the tests of scale")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c crowd
	if err = json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	clients := make([]*lightClient, len(c.Clients))
	all := func(do func(i int) error) {
		var wg sync.WaitGroup
		next := make(chan int)
		for range 64 {
			wg.Go(func() {
				for i := range next {
					if err := do(i); err != nil {
						t.Errorf("client %d: %v", i, err)
					}
				}
			})
		}
		for i := range clients {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		switch commands.Text() {
		case "login":
			all(func(i int) (err error) { clients[i], err = dialLight(ctx, c.URL, i, c.Clients[i]); return err })
		case "ping":
			all(func(i int) error { return clients[i].ping(ctx) })
		case "message":
			all(func(i int) error { return clients[i].message(ctx, c.Clients[i]) })
		}
		if t.Failed() {
			return
		}
		_, _ = fmt.Fprintln(os.Stderr, "done")
	}
	for _, client := range clients {
		if client != nil {
			_ = client.ws.CloseNow()
		}
	}
}

// lightClient is a client that does only what is needed to log in and stay logged in.
type lightClient struct {
	ws      *websocket.Conn
	ciphers *wire.Ciphers
	answers chan string // ids of answers
}

func dialLight(ctx context.Context, url string, i int, who crowdClient) (*lightClient, error) {
	key, err := crowdKey(i)
	if err != nil {
		return nil, err
	}
	ws, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		return nil, err
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	c := &lightClient{ws: ws, answers: make(chan string, 16)}
	frames := wire.NewReader(func() (io.Reader, error) {
		_, message, err := ws.Reader(ctx)
		return message, err
	})
	initiator, hello, err := wire.Initiate(wire.Header(), key)
	if err != nil {
		return nil, err
	}
	first, err := wire.AppendFrame(wire.Header(), hello)
	if err != nil {
		return nil, err
	}
	if err = ws.Write(ctx, websocket.MessageBinary, first); err != nil {
		return nil, err
	}
	answer, err := frames.Frame(wire.MaxFrame)
	if err != nil {
		return nil, err
	}
	finish, ciphers, err := initiator.Finish(answer, testAuthority.RootPublicKey(), &waWa6.ClientPayload{
		Username: proto.Uint64(who.Number), Device: proto.Uint32(who.Device), Passive: proto.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	c.ciphers = ciphers
	framed, err := wire.AppendFrame(nil, finish)
	if err != nil {
		return nil, err
	}
	if err = ws.Write(ctx, websocket.MessageBinary, framed); err != nil {
		return nil, err
	}
	go c.read(frames)
	return c, c.ask(ctx, waBinary.Node{
		Tag:     "iq",
		Attrs:   waBinary.Attrs{"id": "a", "xmlns": "passive", "type": "set", "to": types.ServerJID},
		Content: []waBinary.Node{{Tag: "active"}},
	})
}

func (c *lightClient) read(frames *wire.Reader) {
	defer close(c.answers)
	for {
		frame, err := frames.Frame(wire.MaxFrame)
		if err != nil {
			return
		}
		plaintext, err := c.ciphers.Open(frame)
		if err != nil {
			return
		}
		node, err := wire.DecodeNode(plaintext)
		if err != nil {
			return
		}
		if node.Tag == "iq" || node.Tag == "ack" {
			c.answers <- fmt.Sprint(node.Attrs["id"])
		}
	}
}

// ask sends a stanza and waits for the answer with its id.
func (c *lightClient) ask(ctx context.Context, node waBinary.Node) error {
	plain, err := waBinary.Marshal(node)
	if err != nil {
		return err
	}
	frame, err := c.ciphers.AppendSealed(nil, plain)
	if err != nil {
		return err
	}
	if err = c.ws.Write(ctx, websocket.MessageBinary, frame); err != nil {
		return err
	}
	for id := range c.answers {
		if id == node.Attrs["id"] {
			return nil
		}
	}
	return io.ErrUnexpectedEOF
}

func (c *lightClient) ping(ctx context.Context) error {
	return c.ask(ctx, waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{"id": "p", "xmlns": "w:p", "type": "get", "to": types.ServerJID}})
}

// message sends 150 bytes to another device of the account.
func (c *lightClient) message(ctx context.Context, who crowdClient) error {
	to := types.JID{User: strconv.FormatUint(who.Number, 10), Server: types.DefaultUserServer}
	device := to
	device.Device = uint16(who.Peer)
	return c.ask(ctx, waBinary.Node{
		Tag:   "message",
		Attrs: waBinary.Attrs{"id": "M" + strconv.Itoa(int(who.Device)), "type": "text", "to": to},
		Content: []waBinary.Node{{Tag: "participants", Content: []waBinary.Node{{
			Tag: "to", Attrs: waBinary.Attrs{"jid": device},
			Content: []waBinary.Node{{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": "msg"}, Content: make([]byte, 150)}},
		}}}},
	})
}

// memory returns the memory of the process in bytes: live heap and stacks, and the total from the operating system.
func memory() (live, resident int64) {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	raw, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		if fields := strings.Fields(string(raw)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			resident = pages * int64(os.Getpagesize())
		}
	}
	return int64(stats.HeapAlloc + stats.StackInuse), resident
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// crowdFigures are the costs of n logged-in clients for the server.
type crowdFigures struct {
	liveEach, resident           int64
	login, ping, message         time.Duration // CPU time for each
	logins, pings, messagesASecs float64
}

const devicesEach = 100 // devices per account

func measureCrowd(tb testing.TB, n int) (f crowdFigures) {
	tb.Helper()
	server, err := sandbox.New(sandbox.Config{Authority: testAuthority})
	if err != nil {
		tb.Fatal(err)
	}
	if err = server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = server.Close(context.Background()) })
	before, _ := memory()
	c := crowd{URL: server.URL()}
	var phone *sandbox.Phone
	for i := range n {
		if i%devicesEach == 0 {
			if phone, err = server.AddPhone(phones.Config{Script: phones.ScriptSilent}); err != nil {
				tb.Fatal(err)
			}
		}
		key, err := crowdKey(i)
		if err != nil {
			tb.Fatal(err)
		}
		id, err := phone.LinkLight([32]byte(key.PublicKey().Bytes()))
		if err != nil {
			tb.Fatal(err)
		}
		number, _ := strconv.ParseUint(phone.Number(), 10, 64)
		c.Clients = append(c.Clients, crowdClient{Number: number, Device: uint32(id), Peer: uint32(id)%devicesEach + 1})
	}
	tell := startCrowd(tb, c)
	rate := func(command string) (each time.Duration, aSecond float64) {
		began, cpu := time.Now(), processorTime()
		tell(command)
		return (processorTime() - cpu) / time.Duration(n), float64(n) / time.Since(began).Seconds()
	}
	f.login, f.logins = rate("login")
	if open := server.Counters().ConnectionsOpen; open != int64(n) {
		tb.Fatalf("%d of %d clients are logged in", open, n)
	}
	f.ping, f.pings = rate("ping")
	after, resident := memory()
	f.liveEach, f.resident = (after-before)/int64(n), resident
	f.message, f.messagesASecs = rate("message")
	if counted := server.Counters(); counted.MessagesIn != int64(n) || counted.Panics != 0 {
		tb.Fatalf("%d of %d messages arrived, %d handlers broke", counted.MessagesIn, n, counted.Panics)
	}
	return f
}

// startCrowd starts the child process. The returned function makes all clients do something.
func startCrowd(tb testing.TB, c crowd) func(string) {
	tb.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	file := tb.TempDir() + "/crowd.json"
	if err = os.WriteFile(file, raw, 0o600); err != nil {
		tb.Fatal(err)
	}
	child := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^TestCrowdProcess$", "-test.timeout=10m")
	child.Env = append(os.Environ(), crowdEnv+"="+file)
	stdin, err := child.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stderr, err := child.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err = child.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	lines := bufio.NewScanner(stderr)
	return func(command string) {
		tb.Helper()
		if _, err := fmt.Fprintln(stdin, command); err != nil {
			tb.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != "done" {
			tb.Fatalf("the clients failed at %s: %s", command, lines.Text())
		}
	}
}

func TestHundredsOfClientsCostLittle(t *testing.T) {
	const n, limit = 300, 120 << 10
	if f := measureCrowd(t, n); f.liveEach > limit {
		t.Errorf("a logged-in client costs %d bytes, at most %d", f.liveEach, limit)
	}
}

// BenchmarkTenThousandClients measures the server alone: its clients run in another process. They still share the
// processors.
func BenchmarkTenThousandClients(b *testing.B) {
	for b.Loop() {
		f := measureCrowd(b, 10_000)
		b.ReportMetric(float64(f.liveEach), "bytes/client")
		b.ReportMetric(float64(f.resident>>20), "MiB-resident")
		b.ReportMetric(float64(f.login.Microseconds()), "cpu-us/login")
		b.ReportMetric(float64(f.ping.Microseconds()), "cpu-us/ping")
		b.ReportMetric(float64(f.message.Microseconds()), "cpu-us/message")
		b.ReportMetric(f.logins, "logins/s")
		b.ReportMetric(f.pings, "pings/s")
		b.ReportMetric(f.messagesASecs, "messages/s")
	}
}
