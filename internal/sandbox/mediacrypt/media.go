// Package mediacrypt encrypts and decrypts attachments, as a phone does before an upload and after a download. It owns
// the derivation of keys and the layout of an encrypted file. It may not upload, download or know messages.
package mediacrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Type is a kind of attachment. Its value is the text from which the keys are derived (whatsmeow download.go,
// MediaType).
type Type string

// The types of attachments. Stickers are encrypted as images.
const (
	Image         Type = "WhatsApp Image Keys"
	Video         Type = "WhatsApp Video Keys"
	Audio         Type = "WhatsApp Audio Keys"
	Document      Type = "WhatsApp Document Keys"
	History       Type = "WhatsApp History Keys"
	AppState      Type = "WhatsApp App State Keys"
	LinkThumbnail Type = "WhatsApp Link Thumbnail Keys"
)

const (
	keySize = 32
	// macSize is how many bytes of the HMAC are at the end of an encrypted file.
	macSize = 10
	// derivedSize is the length of initialisation vector, cipher key, MAC key and a key that is not used here.
	derivedSize = aes.BlockSize + keySize + keySize + keySize
)

// Errors of Open; test with errors.Is.
var (
	// ErrSealed means that the file is not the one that the message describes, or that the key is wrong.
	ErrSealed = errors.New("the encrypted file does not match")
	// ErrPlain means that the file was decrypted, but the result is not what the message describes.
	ErrPlain = errors.New("the decrypted file does not match")
)

// Sealed is an encrypted attachment and what a message says about it.
type Sealed struct {
	// File is the encrypted file, as it is uploaded.
	File []byte
	// Key is the media key. It is sent only in the message.
	Key []byte
	// PlainSHA256 is the hash of the plain file, SealedSHA256 that of the encrypted file.
	PlainSHA256, SealedSHA256 []byte
	// Length is the size of the plain file in bytes.
	Length int
}

type keys struct{ iv, cipher, mac []byte }

func derive(key []byte, kind Type) (keys, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, string(kind), derivedSize)
	if err != nil {
		return keys{}, fmt.Errorf("derive the keys of a file: %w", err)
	}
	return keys{derived[:aes.BlockSize], derived[aes.BlockSize : aes.BlockSize+keySize], derived[aes.BlockSize+keySize : aes.BlockSize+2*keySize]}, nil
}

// Seal encrypts a file with a new key.
func Seal(plain []byte, kind Type) (Sealed, error) {
	key := make([]byte, keySize)
	// crypto/rand.Read never fails: it ends the program when the system has no random numbers.
	_, _ = rand.Read(key)
	return SealWith(key, plain, kind)
}

// SealWith encrypts a file with a given key of 32 bytes: AES-256 in CBC mode with PKCS #7 padding, then ten bytes of
// HMAC-SHA256 over the initialisation vector and the ciphertext.
func SealWith(key, plain []byte, kind Type) (Sealed, error) {
	if len(key) != keySize {
		return Sealed{}, fmt.Errorf("a media key has %d bytes, expected %d", len(key), keySize)
	}
	k, err := derive(key, kind)
	if err != nil {
		return Sealed{}, err
	}
	block, err := aes.NewCipher(k.cipher)
	if err != nil {
		return Sealed{}, fmt.Errorf("make cipher: %w", err)
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	file := make([]byte, len(plain)+padding, len(plain)+padding+macSize)
	copy(file, plain)
	for i := len(plain); i < len(file); i++ {
		file[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(block, k.iv).CryptBlocks(file, file)
	file = append(file, k.sum(file)...)
	plainSum, sealedSum := sha256.Sum256(plain), sha256.Sum256(file)
	return Sealed{File: file, Key: key, PlainSHA256: plainSum[:], SealedSHA256: sealedSum[:], Length: len(plain)}, nil
}

func (k keys) sum(ciphertext []byte) []byte {
	mac := hmac.New(sha256.New, k.mac)
	mac.Write(k.iv)
	mac.Write(ciphertext)
	return mac.Sum(nil)[:macSize]
}

// Open decrypts a file and checks both hashes and the MAC. It fails with ErrSealed or ErrPlain.
func Open(sealed Sealed, kind Type) ([]byte, error) {
	ciphertext := len(sealed.File) - macSize
	if ciphertext <= 0 || ciphertext%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrSealed, len(sealed.File))
	}
	sum := sha256.Sum256(sealed.File)
	if !hmac.Equal(sum[:], sealed.SealedSHA256) {
		return nil, fmt.Errorf("%w: its hash is wrong", ErrSealed)
	}
	k, err := derive(sealed.Key, kind)
	if err != nil {
		return nil, err
	}
	body := sealed.File[:ciphertext]
	if !hmac.Equal(k.sum(body), sealed.File[ciphertext:]) {
		return nil, fmt.Errorf("%w: its MAC is wrong", ErrSealed)
	}
	block, err := aes.NewCipher(k.cipher)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	plain := make([]byte, ciphertext)
	cipher.NewCBCDecrypter(block, k.iv).CryptBlocks(plain, body)
	padding := int(plain[ciphertext-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, fmt.Errorf("%w: its padding is wrong", ErrPlain)
	}
	plain = plain[:ciphertext-padding]
	if sum = sha256.Sum256(plain); !hmac.Equal(sum[:], sealed.PlainSHA256) {
		return nil, fmt.Errorf("%w: its hash is wrong", ErrPlain)
	}
	return plain, nil
}
