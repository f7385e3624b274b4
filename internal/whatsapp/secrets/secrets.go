// Package secrets makes and finds the secrets of messages. Votes on a poll, and reactions and answers to an announcement
// of a community, are encrypted with a secret that the message itself carries.
//
// The secret of a message that wasup sends follows from the device and the message's id, so it is stored nowhere and is
// known as long as the device is linked. The secrets of other messages are in whatsmeow's table.
package secrets

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// size is the size of a secret in bytes. whatsmeow and phones use the same.
const size = 32

// Of returns the secret of a message that the device with this identity sends.
func Of(identity *keys.KeyPair, id types.MessageID) ([]byte, error) {
	secret, err := hkdf.Key(sha256.New, identity.Priv[:], nil, "wasup message secret\x00"+id, size)
	if err != nil {
		return nil, fmt.Errorf("derive the secret of a message: %w", err)
	}
	return secret, nil
}

// Store is a device's store of secrets. It stores those of others and derives its own.
type Store struct {
	store.MsgSecretStore
	identity *keys.KeyPair
	own      func() (jid, lid types.JID)
}

var _ store.MsgSecretStore = (*Store)(nil)

// Wrap returns a store that keeps the secrets of others in inner. own returns the addresses of the device's account.
func Wrap(inner store.MsgSecretStore, identity *keys.KeyPair, own func() (jid, lid types.JID)) *Store {
	return &Store{inner, identity, own}
}

// PutMessageSecret stores the secret of a message, unless it is one that Of returns.
func (s *Store) PutMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID, secret []byte) error {
	if _, isOwn := s.otherAddress(sender); isOwn {
		derived, err := Of(s.identity, id)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(derived, secret) == 1 {
			return nil
		}
	}
	return s.MsgSecretStore.PutMessageSecret(ctx, chat, sender, id, secret)
}

// GetMessageSecret returns the secret of a message and its author, or nil if there is none. A stored secret comes first:
// the phone of the account chooses its own, and so did earlier versions for polls. For a message of our own, the author
// is the other address of the account, because whatsmeow tries the given address anyway.
func (s *Store) GetMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID) ([]byte, types.JID, error) {
	secret, author, err := s.MsgSecretStore.GetMessageSecret(ctx, chat, sender, id)
	if err != nil || secret != nil {
		return secret, author, err
	}
	other, isOwn := s.otherAddress(sender)
	if !isOwn {
		return nil, types.JID{}, nil
	}
	secret, err = Of(s.identity, id)
	return secret, other, err
}

// otherAddress reports whether an address is one of the account's, and returns the other one, if there is one.
func (s *Store) otherAddress(address types.JID) (other types.JID, isOwn bool) {
	jid, lid := s.own()
	jid, lid, address = jid.ToNonAD(), lid.ToNonAD(), address.ToNonAD()
	switch {
	case address.IsEmpty():
		return types.JID{}, false
	case address == lid:
		return jid, true
	case address == jid && lid.IsEmpty():
		return jid, true
	case address == jid:
		return lid, true
	default:
		return types.JID{}, false
	}
}
