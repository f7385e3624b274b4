package disktest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience bounds the wait for files that are still open when the test ends.
const patience = time.Minute

// Small mounts a disk of a size such as "1m" and gives its folder. It is gone when the test ends, after everything that
// the test registers later. Where this process may not mount, a child that may runs the test instead, and what became of
// it there counts. Where there can be no such child either, the disk is a missing tool.
func Small(tb testing.TB, size string) string {
	tb.Helper()
	// No folder of the test's own: a disk that cannot be unmounted would keep that one from being removed.
	dir, err := os.MkdirTemp("", "wasup-disk-")
	if err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		_ = os.Remove(dir)
		if !errors.Is(err, fs.ErrPermission) {
			tb.Fatal(err)
		}
		leaveToChild(tb)
	}
	tb.Cleanup(func() {
		if err := unmount(dir); err != nil {
			tb.Error(err)
		}
		_ = os.Remove(dir)
	})
	return dir
}

// unmount waits for whoever still has a file open: a process that was killed and not collected, or one that was started
// while the file was open and has not replaced itself yet. In the end the disk goes when the last of them does.
func unmount(dir string) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Unmount(dir, 0)
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH))
		}
	}
}

// Fill writes a file until the disk has no room left, and gives what removes it.
func Fill(tb testing.TB, dir string) (empty func()) {
	tb.Helper()
	filler := filepath.Join(dir, "filler")
	file, err := os.Create(filler)
	if err != nil {
		tb.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	if closed := file.Close(); !errors.Is(err, syscall.ENOSPC) || closed != nil {
		tb.Fatalf("the disk is not full: %v", errors.Join(err, closed))
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			tb.Error(err)
		}
	}
}
