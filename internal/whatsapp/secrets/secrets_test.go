package secrets_test

import (
	"bytes"
	"context"
	"testing"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"

	"wasup/internal/whatsapp/secrets"
)

var (
	number  = types.JID{User: "5491100000001", Device: 7, Server: types.DefaultUserServer}
	hidden  = types.JID{User: "100000000000001", Device: 7, Server: types.HiddenUserServer}
	contact = types.NewJID("100000000000002", types.HiddenUserServer)
)

// table is a store in memory.
type table struct {
	store.MsgSecretStore
	rows map[string][]byte
}

func (t *table) PutMessageSecret(_ context.Context, _, sender types.JID, id types.MessageID, secret []byte) error {
	t.rows[sender.ToNonAD().String()+id] = secret
	return nil
}

func (t *table) GetMessageSecret(_ context.Context, _, sender types.JID, id types.MessageID) ([]byte, types.JID, error) {
	return t.rows[sender.ToNonAD().String()+id], sender, nil
}

func newStore() (*secrets.Store, *table, *keys.KeyPair) {
	inner, identity := &table{rows: map[string][]byte{}}, keys.NewKeyPair()
	return secrets.Wrap(inner, identity, func() (types.JID, types.JID) { return number, hidden }), inner, identity
}

func TestOurSecretsAreNotStoredAndYetKnown(t *testing.T) {
	s, inner, identity := newStore()
	secret, err := secrets.Of(identity, "3EB0A1")
	if err != nil || len(secret) != 32 {
		t.Fatalf("secret %x, %v", secret, err)
	}
	for _, own := range []types.JID{number, hidden, number.ToNonAD(), hidden.ToNonAD()} {
		if err = s.PutMessageSecret(t.Context(), contact, own, "3EB0A1", secret); err != nil || len(inner.rows) != 0 {
			t.Fatalf("%v; stored %d", err, len(inner.rows))
		}
		got, other, err := s.GetMessageSecret(t.Context(), contact, own, "3EB0A1")
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("of %s: %x, %v", own, got, err)
		}
		if other == own.ToNonAD() || other.Server == own.Server {
			t.Errorf("of %s: the other address is %s", own, other)
		}
	}
}

func TestTheSecretsOfOthersAndOfThePhoneAreStored(t *testing.T) {
	s, inner, _ := newStore()
	for i, from := range []types.JID{contact, hidden} { // the account's phone chooses its own secrets
		if err := s.PutMessageSecret(t.Context(), contact, from, "A5", []byte("chosen by a phone")); err != nil || len(inner.rows) != i+1 {
			t.Fatalf("%v; stored %d", err, len(inner.rows))
		}
		if got, _, err := s.GetMessageSecret(t.Context(), contact, from, "A5"); err != nil || string(got) != "chosen by a phone" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, _, err := s.GetMessageSecret(t.Context(), contact, contact, "A6"); err != nil || got != nil {
		t.Errorf("an unknown message has the secret %x, %v", got, err)
	}
}

func TestTwoMessagesAndTwoDevicesHaveDifferentSecrets(t *testing.T) {
	one, other := keys.NewKeyPair(), keys.NewKeyPair()
	a, _ := secrets.Of(one, "A")
	b, _ := secrets.Of(one, "B")
	c, _ := secrets.Of(other, "A")
	again, _ := secrets.Of(one, "A")
	if bytes.Equal(a, b) || bytes.Equal(a, c) || !bytes.Equal(a, again) {
		t.Errorf("%x %x %x %x", a, b, c, again)
	}
}
