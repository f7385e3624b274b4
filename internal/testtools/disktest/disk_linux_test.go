package disktest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestASmallDiskIsFilledAndEmptied(t *testing.T) {
	dir := Small(t, "1m")
	file := filepath.Join(dir, "file")
	empty := Fill(t, dir)
	if err := os.WriteFile(file, []byte("text"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	empty()
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Error(err)
	}
}

func TestAProcessOfItsOwnMayMount(t *testing.T) {
	const name = "TestASmallDiskIsFilledAndEmptied"
	child, err := newChild(t, name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.CombinedOutput()
	if child.ProcessState == nil && withoutNamespaces(err) {
		// Small reports a missing tool where it needs such a process. Root that may mount does not need one.
		t.Skip("there are no user namespaces here: ", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name+" (") {
		t.Errorf("%v\n%s", err, out)
	}
}

// withoutNamespaces reports whether the kernel or a policy refuses user namespaces. Other errors are mistakes of newChild.
func withoutNamespaces(err error) bool {
	if _, missing := os.Stat("/proc/self/ns/user"); missing != nil {
		return true
	}
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) // user.max_user_namespaces
}
