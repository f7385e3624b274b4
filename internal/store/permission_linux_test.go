package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"wasup/internal/session"
)

// asNobody makes the file system treat the test's thread as the user nobody, because root may write everywhere. Only
// this thread changes, and it ends with its goroutine.
func asNobody(t *testing.T, dirs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	for _, dir := range dirs {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread() // never unlocked: the thread is discarded
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	if now, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); now != nobody {
		t.Fatalf("file system user is %d, want %d", now, nobody)
	}
}

// reachable returns a directory that every user can reach; t.TempDir is inside private directories.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "wasup-store-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(dir, 0o700)
		_ = os.RemoveAll(dir)
	})
	return dir
}

func TestADirectoryThatCannotBeWrittenStaysEmpty(t *testing.T) {
	dir := reachable(t)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // a separate goroutine, because asNobody's thread must end with it
		defer close(done)
		asNobody(t, dir)
		wantRefused(t, "sqlite:"+dir+"/wasup.db", session.CodeStoreUnavailable, dir, "not writable")
		wantRefused(t, "sqlite:"+dir+"/data/wasup.db", session.CodeStoreUnavailable, dir, "not writable")
	}()
	<-done
	wantTree(t, dir)
}

func TestAFileThatCannotBeWrittenIsRefusedAndLeftAlone(t *testing.T) {
	dir := reachable(t)
	path := filepath.Join(dir, "wasup.db")
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		asNobody(t, dir, path)
		wantRefused(t, "sqlite:"+path, session.CodeStoreUnavailable, path, "not writable")
	}()
	<-done
	wantTree(t, dir, "wasup.db")
}
