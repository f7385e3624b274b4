package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"sync"
	"sync/atomic"
)

// child is the wasup process that is killed and started again. addr is its current address.
type child struct {
	command []string
	env     []string
	dir     string
	log     io.Writer
	addr    atomic.Pointer[string]
	starts  atomic.Int64

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
}

var listening = regexp.MustCompile(`msg=listening http=(\S+)`)

// start runs the child and returns once it listens.
func (c *child) start(ctx context.Context) error {
	cmd := exec.Command(c.command[0], c.command[1:]...) //nolint:gosec,noctx // the command is wasup itself, and kill ends it
	cmd.Env, cmd.Dir = c.env, c.dir
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start wasup: %w", err)
	}
	ended, up := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(pipe)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = fmt.Fprintln(c.log, lines.Text())
			if found := listening.FindStringSubmatch(lines.Text()); found != nil {
				select {
				case up <- found[1]:
				default:
				}
			}
		}
		_ = cmd.Wait() // the error says that it was killed
	}()
	c.mu.Lock()
	c.cmd, c.ended = cmd, ended
	c.mu.Unlock()
	select {
	case addr := <-up:
		c.addr.Store(&addr)
		c.starts.Add(1)
		return nil
	case <-ended:
		return errors.New("wasup ended before it listened; see its log")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kill ends the child as kill -9 does, and returns once the process has ended.
func (c *child) kill() {
	c.mu.Lock()
	cmd, ended := c.cmd, c.ended
	c.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill() // it may have ended already
	<-ended
}
