// Package signal implements the cryptography of a virtual phone: one Signal identity with its prekeys, pairwise and
// group sessions, the padding of WhatsApp messages, and the account signatures that link a companion device.
//
// It owns keys and ratchets, all in memory. It may not open connections, know stanzas, or decide when a message is
// sent: the sandbox server does that.
package signal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/serialize"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/keyhelper"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/types"
)

// Errors of sessions. Each is wrapped with the address it is about; test with
// errors.Is.
var (
	// ErrDuplicate means that this ciphertext was decrypted before, or is so
	// old that its key is gone.
	ErrDuplicate = errors.New("message was already decrypted")
	// ErrNoSession means that there is no session with the address: process its bundle, or wait for its pkmsg.
	ErrNoSession = errors.New("no session")
	// ErrMalformed means that the bytes are not a Signal message.
	ErrMalformed = errors.New("malformed ciphertext")
	// ErrUnknownType means that the encryption type is neither pkmsg nor msg.
	ErrUnknownType = errors.New("unknown encryption type, expected pkmsg or msg")
)

// The values of the type attribute of an <enc> node for pairwise messages.
const (
	TypePreKeyMessage = "pkmsg"
	TypeMessage       = "msg"
)

const (
	// signedPreKeyID is fixed because a virtual phone never rotates the key.
	signedPreKeyID = 1
	// preKeyBatch is how many one-time prekeys are generated at once. A key costs about 50 microseconds.
	preKeyBatch = 16
	// preKeyLow is the stock below which the next batch is generated.
	preKeyLow = 4
	// maxPreKeyID is the largest id that fits the three bytes of the wire.
	maxPreKeyID = 0xFFFFFF
	// maxRegistrationID bounds registration ids as Signal's specification does
	// (1 to 16380).
	maxRegistrationID = 16380
)

// Device is one Signal device. All methods are safe for concurrent use.
type Device struct {
	mu       sync.Mutex
	store    *memoryStore
	wire     *serialize.Serializer
	signed   *record.SignedPreKey
	unserved []uint32 // ids of one-time prekeys that were in no bundle yet
	nextID   uint32
}

// NewDevice returns a device with a new identity. It fails only if the system's random source does.
func NewDevice() (*Device, error) {
	identityKeys, err := keyhelper.GenerateIdentityKeyPair()
	if err != nil {
		return nil, fmt.Errorf("generate identity key: %w", err)
	}
	signed, err := keyhelper.GenerateSignedPreKey(identityKeys, signedPreKeyID, nil)
	if err != nil {
		return nil, fmt.Errorf("generate signed prekey: %w", err)
	}
	var seed [4]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("generate registration id: %w", err)
	}
	wire := serialize.NewProtoBufSerializer()
	d := &Device{
		store:  newMemoryStore(identityKeys, binary.BigEndian.Uint32(seed[:])%maxRegistrationID+1, wire),
		wire:   wire,
		signed: signed,
		nextID: 1,
	}
	d.store.signedPreKeys[signedPreKeyID] = signed
	if err := d.refillPreKeys(); err != nil {
		return nil, err
	}
	return d, nil
}

// IdentityPublic returns the public identity key, without Signal's type byte.
func (d *Device) IdentityPublic() [32]byte {
	return d.store.identity.PublicKey().PublicKey().PublicKey()
}

// RegistrationID returns the device's registration id, 1 to 16380.
func (d *Device) RegistrationID() uint32 {
	return d.store.registrationID
}

// Bundle holds the public keys with which somebody starts a session with a device.
type Bundle struct {
	RegistrationID uint32
	Identity       [32]byte
	SignedPreKeyID uint32
	SignedPreKey   [32]byte
	Signature      [64]byte
	// PreKeyID and PreKey are the one-time prekey. If none is left, PreKey is nil and PreKeyID has no meaning.
	PreKeyID uint32
	PreKey   *[32]byte
	// DeviceIdentity is the marshalled ADVSignedDeviceIdentity of a companion device; empty for a phone. Only the
	// server uses it.
	DeviceIdentity []byte
}

// Bundle takes one one-time prekey out of the stock and returns it with the
// long-term keys. No two bundles carry the same one-time prekey.
func (d *Device) Bundle() (Bundle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.unserved) < preKeyLow {
		if err := d.refillPreKeys(); err != nil {
			return Bundle{}, err
		}
	}
	id := d.unserved[0]
	d.unserved = slices.Delete(d.unserved, 0, 1)
	public := d.store.preKeys[id].KeyPair().PublicKey().PublicKey()
	return Bundle{
		RegistrationID: d.store.registrationID,
		Identity:       d.IdentityPublic(),
		SignedPreKeyID: d.signed.ID(),
		SignedPreKey:   d.signed.KeyPair().PublicKey().PublicKey(),
		Signature:      d.signed.Signature(),
		PreKeyID:       id,
		PreKey:         &public,
	}, nil
}

// refillPreKeys generates the next batch. The caller holds the lock, or is the only one that knows the device.
func (d *Device) refillPreKeys() error {
	for range preKeyBatch {
		pair, err := ecc.GenerateKeyPair()
		if err != nil {
			return fmt.Errorf("generate one-time prekey: %w", err)
		}
		d.store.preKeys[d.nextID] = record.NewPreKey(d.nextID, pair, nil)
		d.unserved = append(d.unserved, d.nextID)
		d.nextID = d.nextID%maxPreKeyID + 1
	}
	return nil
}

// HasSession reports whether there is a session with the address. The address is the user and device of the JID, as
// types.JID.SignalAddress writes it, so a phone number and its LID are two addresses.
func (d *Device) HasSession(addr types.JID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.store.sessions[addr.SignalAddress().String()]
	return ok
}

// DeleteSession deletes the session with the address, if there is one. The next message needs a bundle again.
func (d *Device) DeleteSession(addr types.JID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.store.sessions, addr.SignalAddress().String())
}

// ProcessBundle starts a session with the address. An existing session is archived, so that messages under way in it
// can still be decrypted. It fails if the bundle's signed prekey is not signed by the bundle's identity.
func (d *Device) ProcessBundle(addr types.JID, b Bundle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, public := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if b.PreKey != nil {
		id, public = optional.NewOptionalUint32(b.PreKeyID), ecc.NewDjbECPublicKey(*b.PreKey)
	}
	bundle := prekey.NewBundle(
		b.RegistrationID, uint32(addr.Device), id, b.SignedPreKeyID,
		public, ecc.NewDjbECPublicKey(b.SignedPreKey), b.Signature,
		identity.NewKey(ecc.NewDjbECPublicKey(b.Identity)),
	)
	return guard("process bundle", addr, func() error {
		return d.builder(addr).ProcessBundle(context.Background(), bundle)
	})
}

// Encrypt encrypts one padded message for the address. The type is
// TypePreKeyMessage until the address has answered in the session, then
// TypeMessage. Without a session it returns ErrNoSession.
func (d *Device) Encrypt(addr types.JID, plaintext []byte) (encType string, ciphertext []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.store.sessions[addr.SignalAddress().String()]; !ok {
		return "", nil, fmt.Errorf("encrypt for %s: %w", addr, ErrNoSession)
	}
	err = guard("encrypt for", addr, func() error {
		// Clip: the library appends its padding to the slice it is given and
		// would write into the caller's spare capacity.
		message, err := d.cipher(addr).Encrypt(context.Background(), slices.Clip(plaintext))
		if err != nil {
			return err
		}
		ciphertext, encType = message.Serialize(), TypeMessage
		if message.Type() == protocol.PREKEY_TYPE {
			encType = TypePreKeyMessage
		}
		return nil
	})
	return encType, ciphertext, err
}

// Decrypt decrypts one message from the address. The plaintext is still padded. A TypePreKeyMessage starts a session
// and uses up its one-time prekey. A ciphertext that was seen before gives ErrDuplicate. Any failure leaves the session
// unchanged.
func (d *Device) Decrypt(addr types.JID, encType string, ciphertext []byte) (plaintext []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err = guard("decrypt from", addr, func() error {
		switch encType {
		case TypePreKeyMessage:
			message, err := protocol.NewPreKeySignalMessageFromBytes(ciphertext, d.wire.PreKeySignalMessage, d.wire.SignalMessage)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			plaintext, err = d.cipher(addr).DecryptMessage(context.Background(), message)
			return err
		case TypeMessage:
			message, err := protocol.NewSignalMessageFromBytes(ciphertext, d.wire.SignalMessage)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			plaintext, err = d.cipher(addr).Decrypt(context.Background(), message)
			return err
		default:
			return fmt.Errorf("%w, got %q", ErrUnknownType, encType)
		}
	})
	if err != nil {
		return nil, err
	}
	return plaintext, nil
}

func (d *Device) builder(addr types.JID) *session.Builder {
	return session.NewBuilder(d.store, d.store, d.store, d.store, addr.SignalAddress(), d.wire)
}

func (d *Device) cipher(addr types.JID) *session.Cipher {
	return session.NewCipher(d.builder(addr), addr.SignalAddress())
}

// guard runs one library call, names the address in its error and translates
// the library's errors into this package's. libsignal indexes into bytes that
// came from the other side (an empty ratchet key, a body that is not whole
// cipher blocks), so a panic in it means a malformed message, not a bug here.
func guard(op string, addr types.JID, call func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%s %s: %w: %v", op, addr, ErrMalformed, reason)
		}
	}()
	if addr.User == "" {
		return fmt.Errorf("%s: the address %q has no user", op, addr)
	}
	switch err := call(); {
	case err == nil:
		return nil
	case errors.Is(err, signalerror.ErrOldCounter):
		return fmt.Errorf("%s %s: %w", op, addr, ErrDuplicate)
	case errors.Is(err, signalerror.ErrNoSessionForUser), errors.Is(err, signalerror.ErrNoSenderKeyForUser):
		return fmt.Errorf("%s %s: %w", op, addr, ErrNoSession)
	default:
		return fmt.Errorf("%s %s: %w", op, addr, err)
	}
}
