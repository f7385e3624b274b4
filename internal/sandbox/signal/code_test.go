package signal

import (
	"crypto/sha256"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"google.golang.org/protobuf/proto"
)

func TestAWrappedKeyOfAnotherLengthIsRefused(t *testing.T) {
	phone := newDevice(t)
	for _, size := range []int{0, WrappedKeySize - 1, WrappedKeySize + 1} {
		if _, err := phone.AnswerCode("ABCD1234", make([]byte, size)); !errors.Is(err, ErrPairCode) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestAPrologueNeedsAKeyAndACommitment(t *testing.T) {
	key, hash := make([]byte, keySize), make([]byte, 32)
	for name, test := range map[string]struct {
		key, hash []byte
		want      error
	}{
		"whole":           {key, hash, nil},
		"short key":       {key[1:], hash, ErrPasskeyPairing},
		"no key":          {nil, hash, ErrPasskeyPairing},
		"short hash":      {key, hash[1:], ErrPasskeyPairing},
		"no commitment":   {key, nil, ErrPasskeyPairing},
		"nothing at all":  {nil, nil, ErrPasskeyPairing},
		"a key too large": {make([]byte, keySize+1), hash, ErrPasskeyPairing},
	} {
		if _, err := ReadPasskeyPrologue(prologue(t, test.key, test.hash)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestANonceThatWasNotCommittedToIsRefused(t *testing.T) {
	read, err := ReadPasskeyPrologue(prologue(t, make([]byte, keySize), make([]byte, 32)))
	must(t, err)
	answer, err := AnswerPasskey(read)
	must(t, err)
	if _, err = answer.Code(make([]byte, nonceSize)); !errors.Is(err, ErrPasskeyPairing) {
		t.Fatalf("taken with %v", err)
	}
}

func prologue(t testing.TB, key, hash []byte) []byte {
	t.Helper()
	identity, err := proto.Marshal(&waCompanionReg.CompanionEphemeralIdentity{PublicKey: key, Ref: proto.String("ref")})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := proto.Marshal(&waCompanionReg.ProloguePayload{
		CompanionEphemeralIdentity: identity, Commitment: &waCompanionReg.CompanionCommitment{Hash: hash},
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// FuzzCompanionPairing feeds random client input to everything that reads it during pairing. Nothing may crash, and no
// nonce, pairing request or key bundle may be accepted.
func FuzzCompanionPairing(f *testing.F) {
	f.Add(prologue(f, make([]byte, keySize), make([]byte, 32)), []byte{}, []byte{})
	f.Add([]byte{}, make([]byte, WrappedKeySize), make([]byte, 200))
	phone, err := NewDevice()
	if err != nil {
		f.Fatal(err)
	}
	whole, err := ReadPasskeyPrologue(prologue(f, phone.identityBytes(), make([]byte, 32)))
	if err != nil {
		f.Fatal(err)
	}
	passkey, err := AnswerPasskey(whole)
	if err != nil {
		f.Fatal(err)
	}
	code, err := phone.AnswerCode("ABCD1234", make([]byte, WrappedKeySize))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload, nonce, bundle []byte) {
		if read, err := ReadPasskeyPrologue(payload); err == nil && len(read.commitment) != sha256.Size {
			t.Error("a prologue without a commitment was taken")
		}
		if _, err := passkey.Code(nonce); err == nil {
			t.Error("a nonce was guessed")
		}
		if _, err := passkey.Open(bundle); err == nil {
			t.Error("a pairing request was forged")
		}
		if _, err := code.Open(bundle, phone.IdentityPublic()); !errors.Is(err, ErrPairCode) {
			t.Errorf("a key bundle: %v", err)
		}
	})
}

func (d *Device) identityBytes() []byte {
	key := d.IdentityPublic()
	return key[:]
}
