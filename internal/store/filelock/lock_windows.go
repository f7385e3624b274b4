package filelock

import (
	"errors"
	"os"
	"syscall"
)

// errSharingViolation is ERROR_SHARING_VIOLATION: another handle has the file open for writing.
const errSharingViolation = syscall.Errno(32)

// Acquire opens the file for writing so that no other handle can. Windows closes it when the process ends. The
// error is a *HeldError if another holder has the file.
func Acquire(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, &HeldError{PID: readPID(path)}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(handle), path)
	writePID(file)
	return file, nil
}

// Release closes the file and then removes it, because Windows does not remove an open file. For the same reason a
// process that opens it in between keeps it.
func Release(lock *os.File) {
	_ = lock.Close()
	_ = os.Remove(lock.Name())
}
