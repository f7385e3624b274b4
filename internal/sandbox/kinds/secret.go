package kinds

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"go.mau.fi/whatsmeow/types"
)

// Cipher returns the cipher of content that is encrypted with the secret of another message. The key is derived from the
// secret, the message's id and author, and the sender (whatsmeow msgsecret.go, generateMsgSecretKey).
func Cipher(use string, secret []byte, id string, author, sender types.JID) (cipher.AEAD, error) {
	info := id + author.ToNonAD().String() + sender.ToNonAD().String() + use
	key, err := hkdf.Key(sha256.New, secret, nil, info, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a message's secret: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	sealed, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make GCM: %w", err)
	}
	return sealed, nil
}
