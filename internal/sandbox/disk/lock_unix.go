//go:build unix

package disk

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the file for this process; the system lets go of it when the process ends, however it ends.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}
