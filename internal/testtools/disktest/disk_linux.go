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

// Small mounts a disk of a size such as "1m" and returns its folder. It is unmounted when the test ends, after the
// cleanups that the test registers later. If this process may not mount, a child in a user namespace of its own runs the
// test instead, and its result counts. If such a child is not possible either, the disk is a missing tool.
func Small(tb testing.TB, size string) string {
	tb.Helper()
	// Do not use tb.TempDir: its removal would fail if the disk could not be unmounted.
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

// unmount waits for processes that still have a file open: one that was killed and is not reaped, or a child between
// fork and exec. After patience it detaches the disk, which then disappears with the last open file.
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

// Fill writes a file until the disk is full. The returned function removes the file.
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
