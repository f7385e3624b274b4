//go:build unix && !solaris && !aix

package filelock

import (
	"errors"
	"os"
	"syscall"
)

// Acquire takes an exclusive flock on the file. The kernel frees it when the process ends, also after kill -9. The
// error is a *HeldError if another holder has the lock.
func Acquire(path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(file); err != nil {
			_ = file.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, &HeldError{PID: readPID(path)}
			}
			return nil, err
		}
		// The holder removes the file when it releases the lock. A lock on a removed file would keep nobody out.
		ours, err := file.Stat()
		if err != nil {
			_ = file.Close()
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			writePID(file)
			return file, nil
		}
		_ = file.Close()
	}
}

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// Release removes the file while it is still locked. Acquire checks for this.
func Release(lock *os.File) {
	_ = os.Remove(lock.Name())
	_ = lock.Close()
}
