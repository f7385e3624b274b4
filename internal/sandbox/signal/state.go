package signal

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/serialize"
	"go.mau.fi/libsignal/state/record"
)

// errState means that the bytes are not a device's stored state.
var errState = errors.New("not the state of a Signal device")

// deviceState is all that a device knows, secrets included.
type deviceState struct {
	Identity       []byte            `json:"identity"` // private; the public key is derived from it
	RegistrationID uint32            `json:"registration_id"`
	Signed         []byte            `json:"signed"`
	SignedAt       int64             `json:"signed_at"`
	Signature      []byte            `json:"signature"`
	PreKeys        map[uint32][]byte `json:"pre_keys"`
	Unserved       []uint32          `json:"unserved"`
	NextID         uint32            `json:"next_id"`
	Sessions       map[string][]byte `json:"sessions"`
	SenderKeys     map[string][]byte `json:"sender_keys"`
}

// State returns all that the device knows, private keys and ratchets included, for NewDeviceFromState.
func (d *Device) State() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	signature := d.signed.Signature()
	state := deviceState{
		Identity:       privateOf(d.store.identity.PrivateKey()),
		RegistrationID: d.store.registrationID,
		Signed:         privateOf(d.signed.KeyPair().PrivateKey()),
		SignedAt:       d.signed.Timestamp(),
		Signature:      signature[:],
		PreKeys:        make(map[uint32][]byte, len(d.store.preKeys)),
		Unserved:       slices.Clone(d.unserved),
		NextID:         d.nextID,
		Sessions:       d.store.sessions,
		SenderKeys:     d.store.senderKeys,
	}
	for id, key := range d.store.preKeys {
		state.PreKeys[id] = privateOf(key.KeyPair().PrivateKey())
	}
	return json.Marshal(state)
}

// NewDeviceFromState returns the device whose State is given.
func NewDeviceFromState(raw []byte) (*Device, error) {
	var state deviceState
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	if state.RegistrationID == 0 || state.RegistrationID > maxRegistrationID || state.NextID == 0 || state.NextID > maxPreKeyID || len(state.Signature) != sigSize {
		return nil, fmt.Errorf("%w: an id or the signature is out of range", errState)
	}
	pair, err := keyPair(state.Identity)
	if err != nil {
		return nil, err
	}
	wire := serialize.NewProtoBufSerializer()
	identityKeys := identity.NewKeyPair(identity.NewKey(pair.PublicKey()), pair.PrivateKey())
	signed, err := keyPair(state.Signed)
	if err != nil {
		return nil, err
	}
	d := &Device{
		store:  newMemoryStore(identityKeys, state.RegistrationID, wire),
		wire:   wire,
		signed: record.NewSignedPreKey(signedPreKeyID, state.SignedAt, signed, [sigSize]byte(state.Signature), nil),
		nextID: state.NextID,
	}
	d.store.signedPreKeys[signedPreKeyID] = d.signed
	for id, private := range state.PreKeys {
		pair, err := keyPair(private)
		if err != nil {
			return nil, err
		}
		d.store.preKeys[id] = record.NewPreKey(id, pair, nil)
	}
	for _, id := range state.Unserved {
		if d.store.preKeys[id] == nil {
			return nil, fmt.Errorf("%w: prekey %d is missing", errState, id)
		}
	}
	d.unserved = state.Unserved
	maps.Copy(d.store.sessions, state.Sessions)
	maps.Copy(d.store.senderKeys, state.SenderKeys)
	return d, nil
}

func privateOf(key ecc.ECPrivateKeyable) []byte {
	raw := key.Serialize()
	return raw[:]
}

// keyPair returns the key pair of a private key.
func keyPair(private []byte) (*ecc.ECKeyPair, error) {
	if len(private) != keySize {
		return nil, fmt.Errorf("%w: a key has %d bytes, expected %d", errState, len(private), keySize)
	}
	return ecc.CreateKeyPair(private), nil
}
