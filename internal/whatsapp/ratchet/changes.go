package ratchet

import (
	"context"
	"maps"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
)

// changes is a set of rows that are written in one transaction. Applying it twice has the same result.
type changes struct {
	sessions    map[string][]byte // by address; nil deletes
	identities  map[string][]byte // by address; nil deletes
	senderKeys  map[senderKeyName][]byte
	usedPreKeys []uint32
	buffered    []bufferedEvent
	outgoing    []outgoingEvent
	secrets     []store.MessageSecretInsert
}

type senderKeyName struct{ group, user string }

func (n senderKeyName) cacheName() string { return n.group + "\x00" + n.user }

type bufferedEvent struct {
	hash      [32]byte
	plaintext []byte
	at        time.Time
}

type outgoingEvent struct {
	chat      types.JID
	id        types.MessageID
	format    string
	plaintext []byte
}

func (c *changes) empty() bool {
	return len(c.sessions) == 0 && len(c.identities) == 0 && len(c.senderKeys) == 0 && len(c.usedPreKeys) == 0 &&
		len(c.buffered) == 0 && len(c.outgoing) == 0 && len(c.secrets) == 0
}

func (c *changes) setSession(address string, value []byte) {
	if c.sessions == nil {
		c.sessions = make(map[string][]byte)
	}
	c.sessions[address] = value
}

func (c *changes) setIdentity(address string, value []byte) {
	if c.identities == nil {
		c.identities = make(map[string][]byte)
	}
	c.identities[address] = value
}

func (c *changes) setSenderKey(name senderKeyName, value []byte) {
	if c.senderKeys == nil {
		c.senderKeys = make(map[senderKeyName][]byte)
	}
	c.senderKeys[name] = value
}

// applyRest writes the rows that the type rows has no statement for, within the transaction of ctx.
func (c *changes) applyRest(ctx context.Context, to *sqlstore.SQLStore) error {
	for address, key := range c.identities {
		var err error
		if key == nil {
			err = to.DeleteIdentity(ctx, address)
		} else {
			err = to.PutIdentity(ctx, address, [32]byte(key))
		}
		if err != nil {
			return err
		}
	}
	for address, record := range c.sessions {
		if record != nil {
			continue
		}
		if err := to.DeleteSession(ctx, address); err != nil {
			return err
		}
	}
	for name, record := range c.senderKeys {
		if err := to.PutSenderKey(ctx, name.group, name.user, record); err != nil {
			return err
		}
	}
	for _, id := range c.usedPreKeys {
		if err := to.RemovePreKey(ctx, id); err != nil {
			return err
		}
	}
	return to.PutMessageSecrets(ctx, c.secrets)
}

// remember adds the committed values to the run's cache.
func (c *changes) remember(r *Ratchet) {
	for address, record := range c.sessions {
		r.cache.put(r, cachedSession, address, record)
	}
	for address, key := range c.identities {
		r.cache.put(r, cachedIdentity, address, key)
	}
	for name, record := range c.senderKeys {
		r.cache.put(r, cachedSenderKey, name.cacheName(), record)
	}
}

// touches reports whether the changes concern a cache entry.
func (c *changes) touches(kind byte, name string) bool {
	switch kind {
	case cachedSession:
		_, ok := c.sessions[name]
		return ok
	case cachedIdentity:
		_, ok := c.identities[name]
		return ok
	default:
		for changed := range maps.Keys(c.senderKeys) {
			if changed.cacheName() == name {
				return true
			}
		}
		return false
	}
}
