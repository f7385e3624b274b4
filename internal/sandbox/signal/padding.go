package signal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrPadding means that a decrypted message does not end in valid padding.
var ErrPadding = errors.New("bad message padding")

// maxPad is the longest padding Pad writes (whatsmeow message.go, padMessage).
const maxPad = 15

// Pad returns the plaintext with 1 to 15 bytes of padding, each of which is the number of padding bytes: padding
// version 2 of WhatsApp messages. The argument is not changed.
func Pad(plaintext []byte) []byte {
	var pad [1]byte
	// crypto/rand.Read does not fail: it ends the process when the system has no
	// randomness.
	_, _ = rand.Read(pad[:])
	count := int(pad[0]) % maxPad
	count++
	padded := make([]byte, 0, len(plaintext)+count)
	padded = append(padded, plaintext...)
	return append(padded, bytes.Repeat([]byte{byte(count)}, count)...)
}

// Unpad removes the padding. It returns ErrPadding when the message is empty,
// when its last byte is 0 or larger than the message, or when the padding bytes
// differ. The result shares memory with the argument.
func Unpad(padded []byte) ([]byte, error) {
	if len(padded) == 0 {
		return nil, fmt.Errorf("%w: the message is empty", ErrPadding)
	}
	last := padded[len(padded)-1]
	count := int(last)
	if count == 0 || count > len(padded) {
		return nil, fmt.Errorf("%w: %d bytes of padding in a message of %d", ErrPadding, count, len(padded))
	}
	body, pad := padded[:len(padded)-count], padded[len(padded)-count:]
	for _, b := range pad {
		if b != last {
			return nil, fmt.Errorf("%w: its bytes differ", ErrPadding)
		}
	}
	return body, nil
}
