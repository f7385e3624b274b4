// Package syncd is the encryption of app state: contacts, pins, mutes and the like, which the devices of an account
// share through a server that cannot read them. It owns keys, the MACs of mutations and patches and the hash over a
// collection. It may not send anything or know accounts. The sources are whatsmeow's appstate/hash.go, decode.go and
// encode.go.
package syncd

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"go.mau.fi/whatsmeow/proto/waServerSync"
)

const (
	macSize = 32
	keySize = 32
	// ivSize is the length of the initialisation vector in front of a value.
	ivSize = 16
	// hashSize is the length of the hash over a collection, in bytes.
	hashSize = 128
)

// Errors of patches; test with errors.Is.
var (
	// ErrShape means that something is missing or has a wrong length.
	ErrShape = errors.New("not a patch")
	// ErrUnknownKey means that a patch or a mutation is encrypted with a key that is not known.
	ErrUnknownKey = errors.New("encrypted with an unknown key")
	// ErrMAC means that a MAC is wrong.
	ErrMAC = errors.New("a MAC is wrong")
)

// Key is a key with which the devices of an account encrypt app state. Older keys stay in use for older entries.
type Key struct {
	ID   []byte
	Data []byte
	// Time is when the key was created, in milliseconds since 1970.
	Time int64
}

// keys are the keys that are derived from one Key.
type keys struct{ index, value, forValues, forSnapshots, forPatches []byte }

func (k Key) expand() (keys, error) {
	raw, err := hkdf.Key(sha256.New, k.Data, nil, "WhatsApp Mutation Keys", 5*keySize)
	if err != nil {
		return keys{}, fmt.Errorf("derive the keys of app state: %w", err)
	}
	part := func(i int) []byte { return raw[i*keySize : (i+1)*keySize] }
	return keys{part(0), part(1), part(2), part(3), part(4)}, nil
}

func mac(alg func() hash.Hash, key []byte, data ...[]byte) []byte {
	sum := hmac.New(alg, key)
	for _, part := range data {
		sum.Write(part)
	}
	return sum.Sum(nil)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// contentMAC returns the MAC over an encrypted value, the operation and the key id.
func (k keys) contentMAC(operation waServerSync.SyncdMutation_SyncdOperation, content, keyID []byte) []byte {
	return mac(sha512.New, k.forValues, []byte{byte(operation) + 1}, keyID, content, number(uint64(len(keyID)+1)))[:macSize]
}

// Hash is the sum over the value MACs of a collection. The order of additions and removals does not matter.
type Hash [hashSize]byte

func (h *Hash) add(valueMAC []byte) error {
	return h.combine(valueMAC, func(a, b uint16) uint16 { return a + b })
}

func (h *Hash) remove(valueMAC []byte) error {
	return h.combine(valueMAC, func(a, b uint16) uint16 { return a - b })
}

func (h *Hash) combine(valueMAC []byte, with func(a, b uint16) uint16) error {
	term, err := hkdf.Key(sha256.New, valueMAC, nil, "WhatsApp Patch Integrity", hashSize)
	if err != nil {
		return fmt.Errorf("derive a term of the hash: %w", err)
	}
	for i := 0; i < hashSize; i += 2 {
		binary.LittleEndian.PutUint16(h[i:], with(binary.LittleEndian.Uint16(h[i:]), binary.LittleEndian.Uint16(term[i:])))
	}
	return nil
}

// snapshotMAC returns the MAC over a whole collection at a version.
func (k keys) snapshotMAC(h *Hash, version uint64, collection string) []byte {
	return mac(sha256.New, k.forSnapshots, h[:], number(version), []byte(collection))
}

// patchMAC returns the MAC over a patch. It includes the MAC of the snapshot, and so everything before the patch.
func (k keys) patchMAC(patch *waServerSync.SyncdPatch, version uint64, collection string) []byte {
	parts := [][]byte{patch.GetSnapshotMAC()}
	for _, mutation := range patch.GetMutations() {
		parts = append(parts, valueMACOf(mutation.GetRecord()))
	}
	return mac(sha256.New, k.forPatches, append(parts, number(version), []byte(collection))...)
}

// valueMACOf returns the MAC at the end of a record's value. The record's shape has been checked.
func valueMACOf(record *waServerSync.SyncdRecord) []byte {
	blob := record.GetValue().GetBlob()
	return blob[len(blob)-macSize:]
}

// Check checks the shape of a patch without a key. The server uses it so as not to pass on what would break its
// readers. It fails with ErrShape.
func Check(patch *waServerSync.SyncdPatch) error {
	for name, got := range map[string][]byte{"snapshot MAC": patch.GetSnapshotMAC(), "patch MAC": patch.GetPatchMAC()} {
		if len(got) != macSize {
			return fmt.Errorf("%w: the %s has %d bytes, expected %d", ErrShape, name, len(got), macSize)
		}
	}
	if len(patch.GetKeyID().GetID()) == 0 {
		return fmt.Errorf("%w: it names no key", ErrShape)
	}
	if len(patch.GetMutations()) == 0 {
		return fmt.Errorf("%w: it changes nothing", ErrShape)
	}
	for i, mutation := range patch.GetMutations() {
		if err := checkRecord(mutation.GetRecord()); err != nil {
			return fmt.Errorf("mutation %d: %w", i+1, err)
		}
	}
	return nil
}

func checkRecord(record *waServerSync.SyncdRecord) error {
	blob := record.GetValue().GetBlob()
	switch {
	case len(record.GetIndex().GetBlob()) != macSize:
		return fmt.Errorf("%w: the index has %d bytes, expected %d", ErrShape, len(record.GetIndex().GetBlob()), macSize)
	case len(blob) < ivSize+ivSize+macSize || (len(blob)-macSize)%ivSize != 0:
		return fmt.Errorf("%w: a value of %d bytes", ErrShape, len(blob))
	case len(record.GetKeyID().GetID()) == 0:
		return fmt.Errorf("%w: a value names no key", ErrShape)
	}
	return nil
}
