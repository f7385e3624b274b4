package ratchet

import (
	"context"

	"go.mau.fi/whatsmeow/store"
)

// senderKeys implements store.SenderKeyStore: the group ratchets, one for each device of each member.
type senderKeys struct{ r *Ratchet }

var _ store.SenderKeyStore = senderKeys{}

// lockName returns the name of the key's lock. It cannot equal a correspondent's name.
func (n senderKeyName) lockName() string { return "\x00" + n.cacheName() }

func (s senderKeys) GetSenderKey(ctx context.Context, group, user string) ([]byte, error) {
	r, name := s.r, senderKeyName{group, user}
	o := r.operationOf(ctx)
	if o != nil {
		if err := o.lock(ctx, []string{name.lockName()}); err != nil {
			return nil, err
		}
		o.mu.Lock()
		value, ok := o.staged.senderKeys[name]
		o.mu.Unlock()
		if ok {
			return value, nil
		}
	}
	if value, known := r.cache.get(r, cachedSenderKey, name.cacheName()); known {
		return value, nil
	}
	value, err := r.read.GetSenderKey(ctx, group, user)
	switch {
	case err != nil && o != nil:
		return nil, o.fail(err)
	case err != nil:
		return nil, r.fail(ctx, err)
	case o != nil:
		r.cache.put(r, cachedSenderKey, name.cacheName(), value)
	}
	return value, nil
}

// PutSenderKey commits at once if the account itself sends: the message that distributes the key leaves even if nothing
// is encrypted for a single member, and then no later commit follows.
func (s senderKeys) PutSenderKey(ctx context.Context, group, user string, record []byte) error {
	r, name := s.r, senderKeyName{group, user}
	if o := r.operationOf(ctx); o != nil {
		o.stage(func(c *changes) { c.setSenderKey(name, record) })
		if o.receiving {
			return nil
		}
		return o.commit(ctx)
	}
	release, err := r.locked(ctx, []string{name.lockName()})
	if err != nil {
		return err
	}
	defer release()
	if user == r.own {
		// Outside of a send, whatsmeow stores a key of our own only if there was none.
		stored, err := s.GetSenderKey(ctx, group, user)
		if err != nil {
			return err
		}
		if stored != nil {
			return errStale
		}
	}
	c := changes{}
	c.setSenderKey(name, record)
	if err := r.put(ctx, &c); err != nil {
		return r.fail(ctx, err)
	}
	return nil
}
