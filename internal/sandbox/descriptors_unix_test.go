//go:build unix

package sandbox_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"wasup/internal/sandbox"
)

// fewFiles is the number of file descriptors of a server in a separate process. It must be separate, because other
// tests need their descriptors.
const fewFiles = 48

// TestAServerWithFewFiles is not a test: it is the child process of the next one.
func TestAServerWithFewFiles(t *testing.T) {
	if os.Getenv("SANDBOX_FEW_FILES") == "" {
		t.Skip("it is a part of TestAServerThatHasNoFilesLeftSaysSo")
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: fewFiles, Max: fewFiles}))
	server := newServer(t, sandbox.Config{Log: slog.New(slog.NewJSONHandler(os.Stdout, nil))})
	// Print the address as JSON, like the log.
	fmt.Printf("{\"msg\":%q}\n", server.URL())
	_, err := io.Copy(io.Discard, os.Stdin)
	must(t, err)
	fmt.Printf("{\"msg\":\"refused\",\"limit\":%d}\n", server.Counters().OutOfFiles)
}

func TestAServerThatHasNoFilesLeftSaysSo(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(testContext(t), os.Args[0], "-test.run=^TestAServerWithFewFiles$")
	child.Env = append(os.Environ(), "SANDBOX_FEW_FILES=yes")
	in, err := child.StdinPipe()
	must(t, err)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines := bufio.NewScanner(out)
	type line struct {
		Msg    string
		Detail string
		Limit  int
	}
	next := func(accept func(line) bool) line {
		t.Helper()
		for lines.Scan() {
			var one line
			if json.Unmarshal(lines.Bytes(), &one) == nil && accept(one) {
				return one
			}
		}
		t.Fatal("the server ended before it said so")
		return line{}
	}
	told := next(func(l line) bool { return strings.HasPrefix(l.Msg, "ws://") })
	address, err := url.Parse(told.Msg)
	must(t, err)
	var open []net.Conn
	for range fewFiles {
		c, err := net.Dial("tcp", address.Host)
		must(t, err)
		open = append(open, c)
	}
	said := next(func(l line) bool { return strings.Contains(l.Detail, "no file descriptor left") })
	if said.Limit != fewFiles || !strings.Contains(said.Detail, "ulimit -n") {
		t.Errorf("the server said %+v", said)
	}
	for _, c := range open {
		must(t, c.Close())
	}
	// A client that waited is accepted once others have disconnected.
	c, err := net.Dial("tcp", address.Host)
	must(t, err)
	_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n")
	must(t, err)
	answer, err := bufio.NewReader(c).ReadString('\n')
	must(t, err)
	if !strings.HasPrefix(answer, "HTTP/1.1 ") {
		t.Errorf("the server answered %q", answer)
	}
	must(t, c.Close())
	must(t, in.Close())
	if got := next(func(l line) bool { return l.Msg == "refused" }); got.Limit == 0 {
		t.Error("nothing was counted")
	}
	must(t, child.Wait())
}
