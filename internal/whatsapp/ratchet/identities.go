package ratchet

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow/store"
)

// identities implements store.IdentityStore. whatsmeow stores a correspondent's identity with every message; this one
// writes it only if it changed.
type identities struct{ r *Ratchet }

var _ store.IdentityStore = identities{}

func (s identities) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	known, err := s.r.identity(ctx, address)
	if err != nil {
		return false, err
	}
	return known == nil || [32]byte(known) == key, nil
}

func (s identities) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	known, err := s.r.identity(ctx, address)
	if err != nil || (known != nil && [32]byte(known) == key) {
		return err
	}
	if o := s.r.operationOf(ctx); o != nil {
		o.stage(func(c *changes) { c.setIdentity(address, key[:]) })
		return nil
	}
	c := changes{}
	c.setIdentity(address, key[:])
	if err := s.r.put(ctx, &c); err != nil {
		return s.r.fail(ctx, err)
	}
	return nil
}

func (s identities) DeleteIdentity(ctx context.Context, address string) error {
	if o := s.r.operationOf(ctx); o != nil {
		o.stage(func(c *changes) { c.setIdentity(address, nil) })
		return nil
	}
	return s.r.change(ctx, []string{userOf(address)}, cachedIdentity, func(ctx context.Context) error {
		return s.r.write.DeleteIdentity(ctx, address)
	})
}

func (s identities) DeleteAllIdentities(ctx context.Context, phone string) error {
	return s.r.change(ctx, []string{phone}, cachedIdentity, func(ctx context.Context) error {
		return s.r.write.DeleteAllIdentities(ctx, phone)
	})
}

// identity returns the stored identity key, or nil. Outside of an operation it does not fill the cache, because the
// caller may not hold the lock.
func (r *Ratchet) identity(ctx context.Context, address string) ([]byte, error) {
	o := r.operationOf(ctx)
	if o != nil {
		if err := o.lock(ctx, []string{userOf(address)}); err != nil {
			return nil, err
		}
		o.mu.Lock()
		value, ok := o.staged.identities[address]
		o.mu.Unlock()
		if ok {
			return value, nil
		}
	}
	if value, known := r.cache.get(r, cachedIdentity, address); known {
		return value, nil
	}
	found, err := r.queryIdentities(ctx, []string{address})
	switch {
	case err != nil && o != nil:
		return nil, o.fail(err)
	case err != nil:
		return nil, r.fail(ctx, err)
	case o != nil:
		r.cache.put(r, cachedIdentity, address, found[address])
	}
	return found[address], nil
}

// loadIdentities loads the identities of the addresses into the cache. The caller holds the locks.
func (r *Ratchet) loadIdentities(ctx context.Context, addresses []string) error {
	var missing []string
	for _, address := range addresses {
		if _, known := r.cache.get(r, cachedIdentity, address); !known {
			missing = append(missing, address)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := r.queryIdentities(ctx, missing)
	if err != nil {
		return err
	}
	for _, address := range missing {
		r.cache.put(r, cachedIdentity, address, found[address])
	}
	return nil
}

// queryIdentities reads identity keys. whatsmeow's own store can only compare them.
func (r *Ratchet) queryIdentities(ctx context.Context, addresses []string) (map[string][]byte, error) {
	args := []any{r.jid}
	var places strings.Builder
	for i, address := range addresses {
		if i > 0 {
			places.WriteByte(',')
		}
		places.WriteString("$" + strconv.Itoa(i+2))
		args = append(args, address)
	}
	rows, err := r.db.Query(ctx,
		"SELECT their_id, identity FROM whatsmeow_identity_keys WHERE our_jid=$1 AND their_id IN ("+places.String()+")", args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := make(map[string][]byte, len(addresses))
	for rows.Next() {
		var address string
		var key []byte
		if err := rows.Scan(&address, &key); err != nil {
			return nil, err
		}
		if len(key) != 32 {
			return nil, errors.New("a stored identity key has a wrong length")
		}
		found[address] = key
	}
	return found, rows.Err()
}
