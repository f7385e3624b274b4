package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"wasup/configs"
)

// childMark makes the test binary be wasup itself.
const childMark = "WASUP_TEST_BE_WASUP"

// child is a wasup in a process of its own.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	stderr *record
	stdout *record
	lines  chan string // of standard error
	ended  chan struct{}
}

// startChild runs wasup with arguments. It is killed with the test at the latest.
func startChild(t testing.TB, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, args...), stderr: &record{}, stdout: &record{}, lines: make(chan string, 1<<16), ended: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "WASUP_") {
			c.cmd.Env = append(c.cmd.Env, v)
		}
	}
	c.cmd.Env = append(c.cmd.Env, childMark+"=1")
	c.cmd.Dir = t.TempDir()
	c.cmd.Stdout = c.stdout
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
			_, _ = c.stderr.Write([]byte(scanner.Text() + "\n"))
			select {
			case c.lines <- scanner.Text():
			default:
			}
		}
		_ = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("the child's stderr:\n%s", c.stderr.tail(80))
		}
	})
	return c
}

// serveChild runs `wasup serve` with a configuration and waits until it listens.
func serveChild(t testing.TB, cfg configs.Config) (*child, caller) {
	t.Helper()
	c := startChild(t, serveArgs(t, cfg)...)
	return c, newCaller(t, "http://"+c.listening())
}

// serveArgs are the arguments that make `wasup serve` run with the configuration.
func serveArgs(t testing.TB, cfg configs.Config) []string {
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

func (c *child) listening() string {
	c.t.Helper()
	return c.says(listensOn)[1]
}

// says waits for a line of standard error that matches.
func (c *child) says(pattern *regexp.Regexp) []string {
	c.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the child ended before it said %s:\n%s", pattern, c.stderr)
			}
			if found := pattern.FindStringSubmatch(line); found != nil {
				return found
			}
		case <-timer.C:
			c.t.Fatalf("the child never said %s:\n%s", pattern, c.stderr)
		}
	}
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// wait gives the exit code, -1 where a signal ended the child.
func (c *child) wait() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-ctx.Done():
		c.t.Fatalf("the child did not end:\n%s", c.stderr)
		return 0
	}
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended already
	<-c.ended
}
