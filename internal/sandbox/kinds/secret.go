package kinds

import (
	"crypto/cipher"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/mediacrypt"
)

// Cipher returns the cipher of content that is encrypted with the secret of another message. The key is derived from the
// secret, the message's id and author, and the sender (whatsmeow msgsecret.go, generateMsgSecretKey).
func Cipher(use string, secret []byte, id string, author, sender types.JID) (cipher.AEAD, error) {
	return mediacrypt.DerivedCipher(secret, id+author.ToNonAD().String()+sender.ToNonAD().String()+use)
}
