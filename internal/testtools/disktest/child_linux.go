package disktest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"wasup/internal/testtools"
)

// inChild is set in the environment of the child, so that it has no child of its own.
const inChild = "DISKTEST_CHILD"

// capSysAdmin is CAP_SYS_ADMIN of linux/capability.h: the right to mount.
const capSysAdmin = 21

// leaveToChild ends a test that may not mount here with what becomes of it in a process that may.
func leaveToChild(tb testing.TB) {
	tb.Helper()
	const missing = "the right to mount a disk that is small enough to fill: root's, or user namespaces"
	if os.Getenv(inChild) != "" {
		testtools.Missing(tb, missing)
	}
	child, err := newChild(tb, tb.Name())
	if err != nil {
		tb.Fatal(err)
	}
	out, err := child.CombinedOutput()
	switch {
	case child.ProcessState == nil: // there can be no such process
		testtools.Missing(tb, missing+" ("+err.Error()+")")
	case err != nil:
		tb.Fatalf("in a process that may mount: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+tb.Name()+" ("): // it was skipped
		testtools.Missing(tb, missing)
	}
	tb.Skip("it may not mount here, and has passed in a process that may")
}

// newChild makes this program once more, in a user namespace and a mount namespace of its own, to run one test.
func newChild(tb testing.TB, name string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	attributes, err := namespaces()
	if err != nil {
		return nil, err
	}
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	child := exec.CommandContext(tb.Context(), self, "-test.v", "-test.timeout="+flag.Lookup("test.timeout").Value.String(),
		"-test.run="+strings.Join(parts, "/"))
	child.Env = append(os.Environ(), inChild+"=yes")
	child.SysProcAttr = attributes
	return child, nil
}

// namespaces are those in which everybody is who they are outside, and may mount.
func namespaces() (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
		AmbientCaps: []uintptr{capSysAdmin},
	}
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	// A root that may not mount, as in a container, may still run a server as another user.
	attributes.GidMappingsEnableSetgroups = true
	var err error
	if attributes.UidMappings, err = everybody("/proc/self/uid_map"); err != nil {
		return nil, err
	}
	attributes.GidMappings, err = everybody("/proc/self/gid_map")
	return attributes, err
}

// everybody maps all ids that there are to themselves.
func everybody(path string) (all []syscall.SysProcIDMap, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var first, outside, size int
		if _, err := fmt.Sscan(line, &first, &outside, &size); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: size})
	}
	return all, nil
}
