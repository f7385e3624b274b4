package apptest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"wasup/configs"
)

// ChildMark is the environment variable that makes the test binary run as wasup.
const ChildMark = "WASUP_TEST_BE_WASUP"

// Child is a wasup in a process of its own.
type Child struct {
	t      testing.TB
	cmd    *exec.Cmd
	Stderr *Record
	Stdout *Record
	lines  chan string // of standard error
	ended  chan struct{}
}

// StartChild runs wasup with arguments. It is killed at the end of the test at the latest.
func StartChild(t testing.TB, args ...string) *Child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return start(t, self, args...)
}

// ServeChildWithFiles is ServeChild for a process that may have only so many file descriptors.
func ServeChildWithFiles(t testing.TB, cfg configs.Config, files int) (*Child, Caller) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)
	c := start(t, "/bin/sh", append([]string{"-c", script, self}, ServeArgs(t, cfg)...)...)
	return c, NewCaller(t, "http://"+c.listening())
}

func start(t testing.TB, program string, args ...string) *Child {
	t.Helper()
	c := &Child{t: t, cmd: exec.CommandContext(context.WithoutCancel(t.Context()), program, args...), Stderr: &Record{}, Stdout: &Record{}, lines: make(chan string, 1<<16), ended: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "WASUP_") {
			c.cmd.Env = append(c.cmd.Env, v)
		}
	}
	c.cmd.Env = append(c.cmd.Env, ChildMark+"=1")
	c.cmd.Dir = t.TempDir()
	c.cmd.Stdout = c.Stdout
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		defer close(c.lines)
		scanner := bufio.NewScanner(pipe)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			_, _ = c.Stderr.Write([]byte(scanner.Text() + "\n"))
			select {
			case c.lines <- scanner.Text():
			default:
			}
		}
		_ = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("the child's stderr:\n%s", c.Stderr.Tail(80))
		}
	})
	return c
}

// ServeChild runs `wasup serve` with a configuration and waits until it listens.
func ServeChild(t testing.TB, cfg configs.Config) (*Child, Caller) {
	t.Helper()
	c := StartChild(t, ServeArgs(t, cfg)...)
	return c, NewCaller(t, "http://"+c.listening())
}

// ServeArgs are the arguments that make `wasup serve` run with the configuration.
func ServeArgs(t testing.TB, cfg configs.Config) []string {
	t.Helper()
	var text strings.Builder
	if err := cfg.Write(&text); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/wasup.yaml"
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"serve", "--config", file}
}

var listensOn = regexp.MustCompile(`msg=listening http=(\S+)`)

func (c *Child) listening() string {
	c.t.Helper()
	return c.Says(listensOn)[1]
}

// Says waits for a line of standard error that matches.
func (c *Child) Says(pattern *regexp.Regexp) []string {
	c.t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the child ended before it said %s:\n%s", pattern, c.Stderr)
			}
			if found := pattern.FindStringSubmatch(line); found != nil {
				return found
			}
		case <-timer.C:
			c.t.Fatalf("the child never said %s:\n%s", pattern, c.Stderr)
		}
	}
}

// PID returns the number of the process.
func (c *Child) PID() int { return c.cmd.Process.Pid }

func (c *Child) Signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// Wait waits for the end of the child and returns its exit code, -1 if a signal ended it.
func (c *Child) Wait() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-ctx.Done():
		c.t.Fatalf("the child did not end:\n%s", c.Stderr)
		return 0
	}
}

// Kill ends the child with SIGKILL and waits for its end.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill() // it may have ended already
	<-c.ended
}
