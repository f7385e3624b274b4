// Package media has what the files of incoming and outgoing messages have in common: names on the disk, error codes for
// disk failures, and the flush that makes a file name survive a power cut. Packages outgoing and incoming own the
// files.
package media

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"syscall"

	"wasup/internal/session"
)

const nameBytes = 16

// NewName returns a random file name of 32 hexadecimal digits. It must not be guessable, because whoever knows the name
// of an upload can send the file.
func NewName() string {
	var raw [nameBytes]byte
	_, _ = rand.Read(raw[:]) // it never fails: crypto/rand ends the process instead
	return hex.EncodeToString(raw[:])
}

// IsName reports whether s has the form of a name from NewName. Such a name cannot lead out of a folder.
func IsName(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == nameBytes && strings.ToLower(s) == s
}

// DiskError wraps an error of the file system with CodeStoreFull or CodeStoreUnavailable. The message for the caller
// does not contain the error's text, which has paths.
func DiskError(op string, err error) error {
	failure := &session.Error{Code: session.CodeStoreUnavailable, Op: op, Message: "the file could not be stored on disk", Err: err}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		failure.Code, failure.Message = session.CodeStoreFull, "the disk for files is full"
	}
	return failure
}
