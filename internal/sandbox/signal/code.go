package signal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// The shapes and names of pairing by code (whatsmeow pair-code.go,
// generateCompanionEphemeralKey and handleCodePairNotification).
const (
	// WrappedKeySize is the length of a public key wrapped by a code: salt, counter
	// block and ciphertext, in bytes.
	WrappedKeySize = codeSaltSize + aes.BlockSize + keySize

	codeSaltSize   = 32
	codeIterations = 2 << 16
	bundleNonce    = 12
	bundleInfo     = "link_code_pairing_key_bundle_encryption_key"
	advSecretInfo  = "adv_secret"
)

// ErrPairCode means that a companion's message cannot be decrypted with the code: the code is wrong, or the message was
// changed.
var ErrPairCode = errors.New("the pairing code does not match")

// CodeAnswer is the phone's part in pairing by code, from the entering of the code to the companion's key bundle.
type CodeAnswer struct {
	// Wrapped is the phone's ephemeral public key, encrypted with the code.
	Wrapped []byte

	device    *Device
	ephemeral []byte // the shared secret of the two ephemeral keys
}

// AnswerCode decrypts the companion's ephemeral public key with the code that the companion shows, and returns the
// phone's answer. A wrong code is noticed only when the key bundle is opened, because the encryption of the keys
// authenticates nothing.
func (d *Device) AnswerCode(code string, wrappedCompanion []byte) (*CodeAnswer, error) {
	if len(wrappedCompanion) != WrappedKeySize {
		return nil, fmt.Errorf("%w: the wrapped key has %d bytes, expected %d", ErrPairCode, len(wrappedCompanion), WrappedKeySize)
	}
	companion, err := cryptKey(code, wrappedCompanion[:codeSaltSize+aes.BlockSize], wrappedCompanion[codeSaltSize+aes.BlockSize:])
	if err != nil {
		return nil, err
	}
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate ephemeral key: %w", err)
	}
	shared, err := sharedSecret(own, companion)
	if err != nil {
		return nil, err
	}
	head := make([]byte, codeSaltSize+aes.BlockSize)
	if _, err = rand.Read(head); err != nil {
		return nil, fmt.Errorf("generate salt: %w", err)
	}
	body, err := cryptKey(code, head, own.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	return &CodeAnswer{Wrapped: append(head, body...), device: d, ephemeral: shared}, nil
}

// cryptKey encrypts or decrypts a public key: AES-256 in counter mode does both. head is the salt of the code's key and
// the first counter block.
func cryptKey(code string, head, key []byte) ([]byte, error) {
	derived, err := pbkdf2.Key(sha256.New, code, head[:codeSaltSize], codeIterations, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the code's key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	out := make([]byte, len(key))
	cipher.NewCTR(block, head[codeSaltSize:]).XORKeyStream(out, key)
	return out, nil
}

// sharedSecret computes the secret that own shares with the holder of a public key.
func sharedSecret(own *ecdh.PrivateKey, public []byte) ([]byte, error) {
	other, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("%w: not a public key", ErrPairCode)
	}
	shared, err := own.ECDH(other)
	if err != nil {
		return nil, fmt.Errorf("%w: not a usable public key", ErrPairCode)
	}
	return shared, nil
}

// Open decrypts the companion's key bundle (salt, nonce, AES-GCM of both identity keys and 32 random bytes). It returns
// the secret that authenticates the pairing, as the secret in a QR does. companion is the identity key that the bundle
// has to contain. It fails with ErrPairCode.
func (a *CodeAnswer) Open(bundle []byte, companion [32]byte) (advSecret []byte, err error) {
	const head = codeSaltSize + bundleNonce
	if len(bundle) < head {
		return nil, fmt.Errorf("%w: the key bundle has %d bytes", ErrPairCode, len(bundle))
	}
	key, err := hkdf.Key(sha256.New, a.ephemeral, bundle[:codeSaltSize], bundleInfo, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the bundle's key: %w", err)
	}
	plain, err := openGCM(key, bundle[codeSaltSize:head], bundle[head:])
	if err != nil || len(plain) != 3*keySize {
		return nil, fmt.Errorf("%w: the key bundle cannot be decrypted", ErrPairCode)
	}
	own := a.device.IdentityPublic()
	if [keySize]byte(plain[:keySize]) != companion || [keySize]byte(plain[keySize:2*keySize]) != own {
		return nil, fmt.Errorf("%w: the key bundle names other identities", ErrPairCode)
	}
	private, err := a.device.identityPrivate()
	if err != nil {
		return nil, err
	}
	identities, err := sharedSecret(private, companion[:])
	if err != nil {
		return nil, err
	}
	secret := append(append(append([]byte{}, a.ephemeral...), identities...), plain[2*keySize:]...)
	advSecret, err = hkdf.Key(sha256.New, secret, nil, advSecretInfo, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the pairing secret: %w", err)
	}
	return advSecret, nil
}

func (d *Device) identityPrivate() (*ecdh.PrivateKey, error) {
	raw := d.store.identity.PrivateKey().Serialize()
	private, err := ecdh.X25519().NewPrivateKey(raw[:])
	if err != nil {
		return nil, fmt.Errorf("read the identity key: %w", err)
	}
	return private, nil
}

func openGCM(key, nonce, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make GCM: %w", err)
	}
	if len(nonce) != gcm.NonceSize() {
		return nil, fmt.Errorf("%w: the nonce has %d bytes, expected %d", ErrPairCode, len(nonce), gcm.NonceSize())
	}
	plain, err := gcm.Open(nil, nonce, ciphertext, nil)
	if err != nil {
		return nil, ErrPairCode
	}
	return plain, nil
}
