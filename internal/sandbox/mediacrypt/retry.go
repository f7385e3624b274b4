package mediacrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrRetry means that a request for a file, or the answer, was not encrypted with the file's key.
var ErrRetry = errors.New("not encrypted with the file's key")

const retryIVSize = 12

// DerivedCipher returns the cipher whose key is derived from a secret for one use (HKDF with SHA-256, then AES-GCM).
func DerivedCipher(secret []byte, use string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, use, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	derived, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make GCM: %w", err)
	}
	return derived, nil
}

// retryCipher is the cipher for requests and answers about a file that is gone from the server. Only devices that have
// the message know the key (whatsmeow mediaretry.go, getMediaRetryKey).
func retryCipher(key []byte) (cipher.AEAD, error) {
	return DerivedCipher(key, "WhatsApp Media Retry Notification")
}

// SealRetry encrypts a request for the file of a message, or the answer. key is the media key.
func SealRetry(key []byte, messageID string, plain []byte) (iv, sealed []byte, err error) {
	aead, err := retryCipher(key)
	if err != nil {
		return nil, nil, err
	}
	iv = make([]byte, retryIVSize)
	_, _ = rand.Read(iv)
	return iv, aead.Seal(nil, iv, plain, []byte(messageID)), nil
}

// OpenRetry decrypts what SealRetry encrypted with the same key for the same message. It fails with ErrRetry.
func OpenRetry(key []byte, messageID string, iv, sealed []byte) ([]byte, error) {
	aead, err := retryCipher(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != retryIVSize {
		return nil, fmt.Errorf("%w: an initialisation vector of %d bytes, expected %d", ErrRetry, len(iv), retryIVSize)
	}
	plain, err := aead.Open(nil, iv, sealed, []byte(messageID))
	if err != nil {
		return nil, ErrRetry
	}
	return plain, nil
}
