//go:build unix

package disk

import (
	"errors"
	"os"
	"syscall"
)

// lockFile locks the file for this process. The system releases the lock when the process ends, however it ends. It
// fails with ErrBusy if another process has the lock.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}
