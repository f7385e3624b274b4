package signal

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"google.golang.org/protobuf/proto"
)

// The inputs from which pairing with a passkey derives its keys (whatsmeow pair-passkey.go).
const (
	handoffInfo     = "shortcake-passkey-handoff-v1"
	pairRequestInfo = "Pairing Information Encryption Key"
	nonceSize       = 32
	shownCodeBytes  = 5
)

// shownCode encodes the codes that people compare or type: digits and capitals, without those that look alike
// (whatsmeow pair-code.go, linkingBase32).
var shownCode = base32.NewEncoding("123456789ABCDEFGHJKLMNPQRSTVWXYZ")

// ErrPasskeyPairing means that a companion's message in a passkey pairing is invalid. The error says which.
var ErrPasskeyPairing = errors.New("bad passkey pairing")

// PasskeyPrologue is the companion's first message. It commits the companion to a nonce that it reveals later, so that
// the companion cannot choose the code that both sides show.
type PasskeyPrologue struct {
	public     [32]byte
	deviceType waCompanionReg.DeviceProps_PlatformType
	ref        string
	identity   []byte
	commitment []byte
}

// ReadPasskeyPrologue parses a ProloguePayload.
func ReadPasskeyPrologue(payload []byte) (*PasskeyPrologue, error) {
	var outer waCompanionReg.ProloguePayload
	if err := proto.Unmarshal(payload, &outer); err != nil {
		return nil, fmt.Errorf("%w: prologue: %w", ErrPasskeyPairing, err)
	}
	var identity waCompanionReg.CompanionEphemeralIdentity
	if err := proto.Unmarshal(outer.GetCompanionEphemeralIdentity(), &identity); err != nil {
		return nil, fmt.Errorf("%w: ephemeral identity: %w", ErrPasskeyPairing, err)
	}
	hash := outer.GetCommitment().GetHash()
	if len(identity.GetPublicKey()) != keySize || len(hash) != sha256.Size {
		return nil, fmt.Errorf("%w: the prologue lacks a key or a commitment", ErrPasskeyPairing)
	}
	return &PasskeyPrologue{
		public: [keySize]byte(identity.GetPublicKey()), deviceType: identity.GetDeviceType(), ref: identity.GetRef(),
		identity: outer.GetCompanionEphemeralIdentity(), commitment: hash,
	}, nil
}

// Ref returns the pairing ref that the companion asked for before.
func (p *PasskeyPrologue) Ref() string { return p.ref }

// HandoffProven reports whether proof shows that the companion is the one whose QR held advSecret. People need not
// compare codes then.
func HandoffProven(advSecret, prologuePayload, proof []byte) bool {
	key, err := hkdf.Key(sha256.New, advSecret, nil, handoffInfo, keySize)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(prologuePayload)
	return hmac.Equal(mac.Sum(nil), proof)
}

// PasskeyAnswer is the phone's part of a passkey pairing.
type PasskeyAnswer struct {
	// Identity is the marshalled PrimaryEphemeralIdentity for the companion.
	Identity []byte

	private  *ecdh.PrivateKey
	nonce    []byte
	prologue *PasskeyPrologue
}

// AnswerPasskey returns the phone's answer to a prologue.
func AnswerPasskey(prologue *PasskeyPrologue) (*PasskeyAnswer, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate ephemeral key: %w", err)
	}
	nonce := make([]byte, nonceSize)
	if _, err = rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("generate nonce: %w", err)
	}
	identity, err := proto.Marshal(&waCompanionReg.PrimaryEphemeralIdentity{PublicKey: private.PublicKey().Bytes(), Nonce: nonce})
	if err != nil {
		return nil, fmt.Errorf("encode ephemeral identity: %w", err)
	}
	return &PasskeyAnswer{Identity: identity, private: private, nonce: nonce, prologue: prologue}, nil
}

// Code checks that the companion revealed the nonce to which it was committed, and returns the code that both sides
// show, such as ABCD-1234.
func (a *PasskeyAnswer) Code(companionNonce []byte) (string, error) {
	committed := sha256.Sum256(append(append([]byte{}, a.prologue.identity...), companionNonce...))
	if !hmac.Equal(committed[:], a.prologue.commitment) {
		return "", fmt.Errorf("%w: the nonce is not the one committed to", ErrPasskeyPairing)
	}
	digest := sha256.Sum256(append(append([]byte{}, companionNonce...), a.private.PublicKey().Bytes()...))
	code := make([]byte, shownCodeBytes)
	for i := range code {
		code[i] = a.nonce[i] ^ digest[i]
	}
	text := shownCode.EncodeToString(code)
	return text[:4] + "-" + text[4:], nil
}

// Open decrypts an EncryptedPairingRequest. It returns what a QR would have held: the companion's keys and the secret
// that authenticates the pairing.
func (a *PasskeyAnswer) Open(wrapped []byte) (LinkCode, error) {
	var outer waCompanionReg.EncryptedPairingRequest
	if err := proto.Unmarshal(wrapped, &outer); err != nil {
		return LinkCode{}, fmt.Errorf("%w: pairing request: %w", ErrPasskeyPairing, err)
	}
	shared, err := sharedSecret(a.private, a.prologue.public[:])
	if err != nil {
		return LinkCode{}, err
	}
	salt := fmt.Sprintf("Companion Pairing %d with ref %s", a.prologue.deviceType, a.prologue.ref)
	key, err := hkdf.Key(sha256.New, shared, []byte(salt), pairRequestInfo, keySize)
	if err != nil {
		return LinkCode{}, fmt.Errorf("derive the request's key: %w", err)
	}
	plain, err := openGCM(key, outer.GetIV(), outer.GetEncryptedPayload())
	if err != nil {
		return LinkCode{}, fmt.Errorf("%w: the pairing request cannot be decrypted", ErrPasskeyPairing)
	}
	var request waCompanionReg.PairingRequest
	if err = proto.Unmarshal(plain, &request); err != nil {
		return LinkCode{}, fmt.Errorf("%w: pairing request: %w", ErrPasskeyPairing, err)
	}
	if len(request.GetCompanionPublicKey()) != keySize || len(request.GetCompanionIdentityKey()) != keySize || len(request.GetAdvSecret()) != keySize {
		return LinkCode{}, fmt.Errorf("%w: the pairing request lacks a key", ErrPasskeyPairing)
	}
	return LinkCode{
		Ref: a.prologue.ref, NoisePublic: [keySize]byte(request.GetCompanionPublicKey()),
		IdentityPublic: [keySize]byte(request.GetCompanionIdentityKey()), ADVSecret: request.GetAdvSecret(),
	}, nil
}
