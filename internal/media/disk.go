// Package media is what files of messages on the disk have in common, whichever way they go: their names, what a failing
// disk is called, and how a name survives a power cut. The files themselves are in outgoing and incoming.
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

// NewName is a name that nobody guesses: whoever knows it may send the file.
func NewName() string {
	var raw [nameBytes]byte
	_, _ = rand.Read(raw[:]) // it never fails: crypto/rand ends the process instead
	return hex.EncodeToString(raw[:])
}

// IsName reports whether a name is one of NewName: it leads nowhere else.
func IsName(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == nameBytes && strings.ToLower(s) == s
}

// DiskError gives a failure of the file system its code. Its text has paths and stays out of the message.
func DiskError(op string, err error) error {
	failure := &session.Error{Code: session.CodeStoreUnavailable, Op: op, Message: "the file could not be kept on disk", Err: err}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		failure.Code, failure.Message = session.CodeStoreFull, "the disk that files are kept on is full"
	}
	return failure
}
