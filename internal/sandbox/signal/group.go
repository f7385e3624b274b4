package signal

import (
	"context"
	"fmt"
	"slices"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/types"
)

// TypeSenderKeyMessage is the type attribute of an <enc> node for group messages.
const TypeSenderKeyMessage = "skmsg"

// CreateSenderKey returns the distribution message (SKDM) of this device's sender key for the group. The first call
// creates the key. self is the address under which the members know this device.
func (d *Device) CreateSenderKey(group, self types.JID) (skdm []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err = guard("create sender key of", self, func() error {
		message, err := d.groupBuilder().Create(context.Background(), senderKeyName(group, self))
		if err != nil {
			return err
		}
		skdm = message.Serialize()
		return nil
	})
	return skdm, err
}

// ProcessSenderKey stores the sender key in a distribution message that sender sent for the group. From then on
// GroupDecrypt works for that sender.
func (d *Device) ProcessSenderKey(group, sender types.JID, skdm []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return guard("process sender key of", sender, func() error {
		message, err := protocol.NewSenderKeyDistributionMessageFromBytes(skdm, d.wire.SenderKeyDistributionMessage)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return d.groupBuilder().Process(context.Background(), senderKeyName(group, sender), message)
	})
}

// GroupEncrypt encrypts one padded message with this device's sender key. It fails with ErrNoSession if CreateSenderKey
// was not called for the group.
func (d *Device) GroupEncrypt(group, self types.JID, plaintext []byte) (ciphertext []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := senderKeyName(group, self)
	if _, ok := d.store.senderKeys[senderKeyID(name)]; !ok {
		return nil, fmt.Errorf("encrypt for group %s: %w", group, ErrNoSession)
	}
	err = guard("encrypt as", self, func() error {
		message, err := groups.NewGroupCipher(d.groupBuilder(), name, d.store).Encrypt(context.Background(), slices.Clip(plaintext))
		if err != nil {
			return err
		}
		ciphertext = message.SignedSerialize()
		return nil
	})
	return ciphertext, err
}

// GroupDecrypt decrypts one group message of sender. The plaintext is still padded. It fails with ErrNoSession without
// the sender's key, and with ErrDuplicate for a message that was seen before.
func (d *Device) GroupDecrypt(group, sender types.JID, ciphertext []byte) (plaintext []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err = guard("decrypt group message of", sender, func() error {
		message, err := protocol.NewSenderKeyMessageFromBytes(ciphertext, d.wire.SenderKeyMessage)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		plaintext, err = groups.NewGroupCipher(d.groupBuilder(), senderKeyName(group, sender), d.store).Decrypt(context.Background(), message)
		return err
	})
	if err != nil {
		return nil, err
	}
	return plaintext, nil
}

func (d *Device) groupBuilder() *groups.SessionBuilder {
	return groups.NewGroupSessionBuilder(d.store, d.wire)
}

func senderKeyName(group, sender types.JID) *protocol.SenderKeyName {
	return protocol.NewSenderKeyName(group.String(), sender.SignalAddress())
}
