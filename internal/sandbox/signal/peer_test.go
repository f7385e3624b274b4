package signal

import (
	"context"
	"testing"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"go.uber.org/goleak"

	"wasup/internal/sandbox/devicetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var (
	phoneJID     = types.NewJID("4915112345678", types.DefaultUserServer)
	phoneLID     = types.NewJID("98765432109876", types.HiddenUserServer)
	companionJID = types.JID{User: "4915112345678", Device: 7, Server: types.DefaultUserServer}
	companionLID = types.JID{User: "98765432109876", Device: 7, Server: types.HiddenUserServer}
	groupJID     = types.NewJID("120363000000000001", types.GroupServer)
)

// companion is a real whatsmeow client that never connects. Its functions are the other side in every test here.
type companion struct {
	t      *testing.T
	client *whatsmeow.Client
}

func newCompanion(t *testing.T) companion {
	t.Helper()
	container := devicetest.Open(t, devicetest.DSN(t))
	return companion{t, whatsmeow.NewClient(container.NewDevice(), nil)}
}

// linked gives the companion an account, which the session stores need.
func (c companion) linked() companion {
	c.t.Helper()
	jid := companionJID
	c.client.Store.ID = &jid
	c.client.Store.LID = companionLID
	c.client.Store.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	must(c.t, c.client.Store.Save(c.t.Context()))
	return c
}

func (c companion) code() string {
	return c.client.DangerousInternals().MakeQRData([]byte("2@ref/with+base64=="), whatsmeow.PairClientChrome)
}

// bundle returns the keys that the server would give out for the companion.
func (c companion) bundle() Bundle {
	c.t.Helper()
	device := c.client.Store
	keys, err := device.PreKeys.GetOrGenPreKeys(c.t.Context(), 1)
	must(c.t, err)
	return Bundle{
		RegistrationID: device.RegistrationID,
		Identity:       *device.IdentityKey.Pub,
		SignedPreKeyID: device.SignedPreKey.KeyID,
		SignedPreKey:   *device.SignedPreKey.Pub,
		Signature:      *device.SignedPreKey.Signature,
		PreKeyID:       keys[0].KeyID,
		PreKey:         keys[0].Pub,
	}
}

// encrypt encrypts as whatsmeow does when it sends. With a bundle it starts the session.
func (c companion) encrypt(to types.JID, b *Bundle, text string) (encType string, ciphertext []byte) {
	c.t.Helper()
	var bundle *prekey.Bundle
	if b != nil {
		id, public := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
		if b.PreKey != nil {
			id, public = optional.NewOptionalUint32(b.PreKeyID), ecc.NewDjbECPublicKey(*b.PreKey)
		}
		bundle = prekey.NewBundle(b.RegistrationID, uint32(to.Device), id, b.SignedPreKeyID, public,
			ecc.NewDjbECPublicKey(b.SignedPreKey), b.Signature, identity.NewKey(ecc.NewDjbECPublicKey(b.Identity)))
	}
	node, _, err := c.client.DangerousInternals().EncryptMessageForDevice(c.t.Context(), []byte(text), to, bundle, nil, nil)
	must(c.t, err)
	return node.Attrs["type"].(string), node.Content.([]byte)
}

// decrypt decrypts as whatsmeow does when it receives, including the removal of padding.
func (c companion) decrypt(from types.JID, encType string, ciphertext []byte) (string, error) {
	node := &waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": encType}, Content: ciphertext}
	plaintext, _, err := c.client.DangerousInternals().DecryptDM(c.t.Context(), node, from, encType == "pkmsg", time.Now())
	return string(plaintext), err
}

// pair runs whatsmeow's answer to a pair-success. The client has no connection, so a pairing that it accepts fails with
// ErrNotConnected when it sends the answer.
func (c companion) pair(ctx context.Context, deviceIdentity []byte) error {
	return c.client.DangerousInternals().HandlePair(ctx, deviceIdentity, "1", "", "android", companionJID, companionLID)
}

func newDevice(t *testing.T) *Device {
	t.Helper()
	device, err := NewDevice()
	must(t, err)
	return device
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
