package store

import (
	"errors"
	"os"
	"syscall"
)

// errSharingViolation is ERROR_SHARING_VIOLATION: somebody has the file open for writing.
const errSharingViolation = syscall.Errno(32)

// acquireLock opens the file for writing and lets nobody else do so. The system closes it with the process. *heldError
// where somebody has it.
func acquireLock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, &heldError{pid: readPID(path)}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(handle), path)
	writePID(file)
	return file, nil
}

// releaseLock closes the file before removing it, in the order that the system asks for. Whoever takes it in between
// keeps it: an open file is not removed.
func releaseLock(lock *os.File) {
	_ = lock.Close()
	_ = os.Remove(lock.Name())
}
