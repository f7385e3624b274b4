package signal

import (
	"context"
	"errors"
	"fmt"

	grouprecord "go.mau.fi/libsignal/groups/state/record"
	groupstore "go.mau.fi/libsignal/groups/state/store"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/serialize"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/state/store"

	"wasup/internal/signalfix"
)

var (
	_ store.SignalProtocol = (*memoryStore)(nil)
	_ groupstore.SenderKey = (*memoryStore)(nil)
)

// memoryStore stores what libsignal asks it to store. The Device's mutex guards it: the store itself takes no lock,
// does no I/O and so ignores contexts.
//
// Session records are stored serialised. The library changes a record while it tries to decrypt and stores it only on
// success. If it had the stored record itself, a forged message could damage a good session.
type memoryStore struct {
	identity       *identity.KeyPair
	registrationID uint32
	wire           *serialize.Serializer
	preKeys        map[uint32]*record.PreKey
	signedPreKeys  map[uint32]*record.SignedPreKey
	sessions       map[string][]byte
	senderKeys     map[string][]byte
}

func newMemoryStore(keys *identity.KeyPair, registrationID uint32, wire *serialize.Serializer) *memoryStore {
	return &memoryStore{
		identity:       keys,
		registrationID: registrationID,
		wire:           wire,
		preKeys:        map[uint32]*record.PreKey{},
		signedPreKeys:  map[uint32]*record.SignedPreKey{},
		sessions:       map[string][]byte{},
		senderKeys:     map[string][]byte{},
	}
}

func (s *memoryStore) GetIdentityKeyPair() *identity.KeyPair { return s.identity }

func (s *memoryStore) GetLocalRegistrationID() uint32 { return s.registrationID }

// SaveIdentity stores nothing: a session record holds the key that it was made with, and IsTrustedIdentity needs no
// other.
func (s *memoryStore) SaveIdentity(context.Context, *protocol.SignalAddress, *identity.Key) error {
	return nil
}

// IsTrustedIdentity accepts every key, as a phone does: WhatsApp only tells the person that the security code changed.
func (s *memoryStore) IsTrustedIdentity(context.Context, *protocol.SignalAddress, *identity.Key) (bool, error) {
	return true, nil
}

func (s *memoryStore) LoadPreKey(_ context.Context, id uint32) (*record.PreKey, error) {
	return s.preKeys[id], nil
}

func (s *memoryStore) StorePreKey(_ context.Context, id uint32, key *record.PreKey) error {
	s.preKeys[id] = key
	return nil
}

func (s *memoryStore) ContainsPreKey(_ context.Context, id uint32) (bool, error) {
	_, ok := s.preKeys[id]
	return ok, nil
}

func (s *memoryStore) RemovePreKey(_ context.Context, id uint32) error {
	delete(s.preKeys, id)
	return nil
}

func (s *memoryStore) LoadSignedPreKey(_ context.Context, id uint32) (*record.SignedPreKey, error) {
	return s.signedPreKeys[id], nil
}

func (s *memoryStore) LoadSignedPreKeys(context.Context) ([]*record.SignedPreKey, error) {
	keys := make([]*record.SignedPreKey, 0, len(s.signedPreKeys))
	for _, key := range s.signedPreKeys {
		keys = append(keys, key)
	}
	return keys, nil
}

func (s *memoryStore) StoreSignedPreKey(_ context.Context, id uint32, key *record.SignedPreKey) error {
	s.signedPreKeys[id] = key
	return nil
}

func (s *memoryStore) ContainsSignedPreKey(_ context.Context, id uint32) (bool, error) {
	_, ok := s.signedPreKeys[id]
	return ok, nil
}

func (s *memoryStore) RemoveSignedPreKey(_ context.Context, id uint32) error {
	delete(s.signedPreKeys, id)
	return nil
}

// LoadSession returns a new record if there is none: the library tells the two apart by the record, not by an error.
func (s *memoryStore) LoadSession(_ context.Context, addr *protocol.SignalAddress) (*record.Session, error) {
	raw, ok := s.sessions[addr.String()]
	if !ok {
		return record.NewSession(s.wire.Session, s.wire.State), nil
	}
	loaded, err := record.NewSessionFromBytes(raw, s.wire.Session, s.wire.State)
	if err != nil {
		return nil, fmt.Errorf("read session record: %w", err)
	}
	return loaded, nil
}

func (s *memoryStore) StoreSession(_ context.Context, addr *protocol.SignalAddress, session *record.Session) error {
	after := session.Structure()
	if before, err := s.wire.Session.Deserialize(s.sessions[addr.String()]); err == nil {
		signalfix.Archived(before, after)
	}
	raw := s.wire.Session.Serialize(after)
	if len(raw) == 0 {
		return errors.New("session record did not serialise")
	}
	s.sessions[addr.String()] = raw
	return nil
}

func (s *memoryStore) ContainsSession(_ context.Context, addr *protocol.SignalAddress) (bool, error) {
	_, ok := s.sessions[addr.String()]
	return ok, nil
}

func (s *memoryStore) DeleteSession(_ context.Context, addr *protocol.SignalAddress) error {
	delete(s.sessions, addr.String())
	return nil
}

func (s *memoryStore) DeleteAllSessions(context.Context) error {
	clear(s.sessions)
	return nil
}

// GetSubDeviceSessions lists the devices other than 0 that have a session under
// the name.
func (s *memoryStore) GetSubDeviceSessions(_ context.Context, name string) ([]uint32, error) {
	var devices []uint32
	// A device id is one byte on the wire, so the addresses can be enumerated.
	for device := uint32(1); device <= 255; device++ {
		if _, ok := s.sessions[protocol.NewSignalAddress(name, device).String()]; ok {
			devices = append(devices, device)
		}
	}
	return devices, nil
}

func (s *memoryStore) StoreSenderKey(_ context.Context, name *protocol.SenderKeyName, key *grouprecord.SenderKey) error {
	raw := key.Serialize()
	if len(raw) == 0 {
		return errors.New("sender key record did not serialise")
	}
	s.senderKeys[senderKeyID(name)] = raw
	return nil
}

func (s *memoryStore) LoadSenderKey(_ context.Context, name *protocol.SenderKeyName) (*grouprecord.SenderKey, error) {
	raw, ok := s.senderKeys[senderKeyID(name)]
	if !ok {
		return grouprecord.NewSenderKey(s.wire.SenderKeyRecord, s.wire.SenderKeyState), nil
	}
	key, err := grouprecord.NewSenderKeyFromBytes(raw, s.wire.SenderKeyRecord, s.wire.SenderKeyState)
	if err != nil {
		return nil, fmt.Errorf("read sender key record: %w", err)
	}
	return key, nil
}

func senderKeyID(name *protocol.SenderKeyName) string {
	return name.GroupID() + "\x00" + name.Sender().String()
}
