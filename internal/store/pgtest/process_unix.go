//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// owner is the user that the server runs as if the tests run as root, because PostgreSQL refuses to run as root.
type owner struct{ uid, gid int }

// unprivileged returns the user postgres or nobody, or nil if the tests do not run as root.
func unprivileged() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(found.Uid)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(found.Gid)
		if err != nil {
			continue
		}
		return &owner{uid, gid}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
}

func (o *owner) own(paths ...string) error {
	if o == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, o.uid, o.gid); err != nil {
			return err
		}
	}
	return nil
}

// attributes sets the user and puts the server into its own process group: Ctrl-C then ends only the tests, which stop
// the server.
func (o *owner) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if o != nil {
		attributes.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)} //nolint:gosec // both come from the user database
	}
	return attributes
}

// Freeze suspends every process of the server (SIGSTOP): connections stay open, but nothing answers. The function thaw
// resumes them; it also runs when the test ends.
func (c *Cluster) Freeze(tb testing.TB) (thaw func()) {
	tb.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		tb.Skip("the server's processes cannot be found without /proc")
	}
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		tb.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		tb.Fatal(err)
	}
	signal := func(s syscall.Signal) {
		if err := c.signal(pid, s); err != nil {
			tb.Error(err)
		}
	}
	signal(syscall.SIGSTOP)
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			signal(syscall.SIGCONT)
		}
	}
	tb.Cleanup(thaw)
	return thaw
}

// signal sends a signal to the postmaster and then to its children. The postmaster comes first, so that it starts no
// new process in between.
func (c *Cluster) signal(postmaster int, s syscall.Signal) error {
	if err := syscall.Kill(postmaster, s); err != nil {
		return fmt.Errorf("signal PostgreSQL: %w", err)
	}
	children, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, path := range children {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		// The format is "pid (name) state parent ...". The name may contain any character, so search for its end.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(postmaster) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal PostgreSQL: %w", err)
		}
	}
	return nil
}
