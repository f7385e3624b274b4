package ratchet

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/signalfix"
)

// leaseTime is how long whatsmeow may take to store a session that it has loaded outside of an operation. In between it
// only computes.
const leaseTime = 2 * time.Second

// lease is a session that whatsmeow has loaded outside of an operation, which it does to answer a retry request. The
// correspondent's lock is held during the lease.
type lease struct {
	timer *time.Timer
	user  string
}

// errUnguarded shows a bug to a developer: a send that does not go through Ratchet.Send.
var errUnguarded = errors.New("sessions are loaded for a send without its locks")

// sessions implements store.SessionStore.
type sessions struct{ r *Ratchet }

var _ store.SessionStore = sessions{}

func (s sessions) GetSession(ctx context.Context, address string) ([]byte, error) {
	o := s.r.operationOf(ctx)
	if o == nil {
		return s.r.borrow(ctx, address)
	}
	if err := o.lock(ctx, []string{userOf(address)}); err != nil {
		return nil, err
	}
	value, err := s.r.session(ctx, o, address)
	if err != nil {
		return nil, o.fail(err)
	}
	return value, nil
}

func (s sessions) HasSession(ctx context.Context, address string) (bool, error) {
	if s.r.operationOf(ctx) != nil {
		value, err := s.GetSession(ctx, address)
		return value != nil, err
	}
	if value, known := s.r.cache.get(s.r, cachedSession, address); known {
		return value != nil, nil
	}
	has, err := s.r.read.HasSession(ctx, address)
	if err != nil {
		err = s.r.fail(ctx, err)
	}
	return has, err
}

func (s sessions) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	o := s.r.operationOf(ctx)
	if o == nil {
		return nil, errUnguarded
	}
	if err := o.lock(ctx, usersOf(addresses)); err != nil {
		return nil, err
	}
	// Load the identities now, while a failure still fails the send. Later, whatsmeow would only leave out the device.
	if err := s.r.loadIdentities(ctx, addresses); err != nil {
		return nil, o.fail(err)
	}
	found, err := s.r.manySessions(ctx, o, addresses)
	if err != nil {
		return nil, o.fail(err)
	}
	return found, nil
}

func (s sessions) PutSession(ctx context.Context, address string, record []byte) error {
	o := s.r.operationOf(ctx)
	if o == nil {
		return s.r.storeBorrowed(ctx, address, record)
	}
	if o.receiving {
		repaired, err := s.r.repairedSession(ctx, o, address, record)
		if err != nil {
			return o.fail(err)
		}
		o.stage(func(c *changes) { c.setSession(address, repaired) })
		return nil
	}
	o.stage(func(c *changes) { c.setSession(address, record) })
	return o.commit(ctx)
}

// repairedSession returns a session after a decryption, without the damage that libsignal does to archived states that
// fail to decrypt.
func (r *Ratchet) repairedSession(ctx context.Context, o *operation, address string, record []byte) ([]byte, error) {
	loaded, err := r.session(ctx, o, address) // the session before the decryption; the operation holds its lock
	if err != nil || loaded == nil {
		return record, err
	}
	format := store.SignalProtobufSerializer.Session
	before, err := format.Deserialize(loaded)
	if err != nil {
		return nil, err
	}
	after, err := format.Deserialize(record)
	if err != nil {
		return nil, err
	}
	if signalfix.SameCurrent(before, after) || !signalfix.Archived(before, after) {
		return record, nil
	}
	return format.Serialize(after), nil
}

// PutManySessions commits and releases the locks: whatsmeow calls it just before the bytes of a send leave.
func (s sessions) PutManySessions(ctx context.Context, records map[string][]byte) error {
	o := s.r.operationOf(ctx)
	if o == nil {
		return errUnguarded
	}
	o.stage(func(c *changes) {
		for address, record := range records {
			c.setSession(address, record)
		}
	})
	err := o.commit(ctx)
	o.unlock()
	return err
}

func (s sessions) DeleteSession(ctx context.Context, address string) error {
	if o := s.r.operationOf(ctx); o != nil {
		o.stage(func(c *changes) { c.setSession(address, nil) })
		return nil
	}
	return s.r.change(ctx, []string{userOf(address)}, cachedSession, func(ctx context.Context) error {
		return s.r.write.DeleteSession(ctx, address)
	})
}

func (s sessions) DeleteAllSessions(ctx context.Context, phone string) error {
	return s.r.change(ctx, []string{phone}, cachedSession, func(ctx context.Context) error {
		return s.r.write.DeleteAllSessions(ctx, phone)
	})
}

// MigratePNToLID does not use the group commit, which may run a work twice: whatsmeow remembers that it migrated and
// would skip the second time.
func (s sessions) MigratePNToLID(ctx context.Context, pn, lid types.JID) error {
	r := s.r
	users := []string{pn.SignalAddressUser(), lid.SignalAddressUser()}
	slices.Sort(users)
	pair := users[0] + "\x00" + users[1]
	r.mu.Lock()
	done := r.migrated[pair]
	r.mu.Unlock()
	if done {
		return nil
	}
	release, err := r.locked(ctx, users)
	if err != nil {
		return err
	}
	defer release()
	err = r.write.MigratePNToLID(ctx, pn, lid)
	r.cache.removeEntries(r, func(kind byte, name string) bool {
		return kind == cachedSenderKey || slices.Contains(users, userOf(name))
	})
	if err != nil {
		return r.fail(ctx, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.migrated == nil {
		r.migrated = make(map[string]bool)
	}
	r.migrated[pair] = true
	return nil
}

// session returns a session as the operation sees it; o may be nil. The caller holds the correspondent's lock.
func (r *Ratchet) session(ctx context.Context, o *operation, address string) ([]byte, error) {
	if o != nil {
		o.mu.Lock()
		value, ok := o.staged.sessions[address]
		o.mu.Unlock()
		if ok {
			return value, nil
		}
	}
	if value, known := r.cache.get(r, cachedSession, address); known {
		return value, nil
	}
	value, err := r.read.GetSession(ctx, address)
	if err != nil {
		return nil, err
	}
	r.cache.put(r, cachedSession, address, value)
	return value, nil
}

func (r *Ratchet) manySessions(ctx context.Context, o *operation, addresses []string) (map[string][]byte, error) {
	found := make(map[string][]byte, len(addresses))
	var missing []string
	o.mu.Lock()
	for _, address := range addresses {
		value, known := o.staged.sessions[address]
		if !known {
			value, known = r.cache.get(r, cachedSession, address)
		}
		if known {
			found[address] = value
		} else {
			missing = append(missing, address)
		}
	}
	o.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	stored, err := r.read.GetManySessions(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, address := range missing {
		found[address] = stored[address]
		r.cache.put(r, cachedSession, address, stored[address])
	}
	return found, nil
}

// borrow loads a session outside of an operation. It holds the lock until the session is stored, but no longer than
// leaseTime: whatsmeow does not store the session if encrypting fails.
func (r *Ratchet) borrow(ctx context.Context, address string) ([]byte, error) {
	user := userOf(address)
	if err := r.acquire(ctx, user); err != nil {
		return nil, err
	}
	value, err := r.session(ctx, nil, address)
	if err != nil {
		r.locks.unlock(user)
		return nil, r.fail(ctx, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.locks.unlock(user)
		return nil, context.Canceled
	}
	if r.leases == nil {
		r.leases, r.overdue = make(map[string]*lease), make(map[string]int)
	}
	l := &lease{user: user}
	l.timer = time.AfterFunc(leaseTime, func() { r.expire(address, l) })
	r.leases[address] = l
	return value, nil
}

func (r *Ratchet) expire(address string, l *lease) {
	r.mu.Lock()
	live := r.leases[address] == l
	if live {
		delete(r.leases, address)
		r.overdue[address]++
	}
	r.mu.Unlock()
	if live {
		r.locks.unlock(l.user)
	}
}

// storeBorrowed stores a session that was borrowed. If an earlier lease of the address has expired, the record may come
// from either borrower. Then both are refused with errStale, and the correspondent asks again.
func (r *Ratchet) storeBorrowed(ctx context.Context, address string, record []byte) error {
	r.mu.Lock()
	l := r.leases[address]
	delete(r.leases, address)
	mine := l != nil
	if r.overdue[address] > 0 {
		mine = false
		if r.overdue[address]--; r.overdue[address] == 0 {
			delete(r.overdue, address)
		}
	}
	r.mu.Unlock()
	if l != nil {
		l.timer.Stop()
		defer r.locks.unlock(l.user)
	}
	if !mine {
		return errStale
	}
	c := changes{}
	c.setSession(address, record)
	if err := r.put(ctx, &c); err != nil {
		return r.fail(ctx, err)
	}
	return nil
}

// locked acquires locks and returns the function that releases them. Within an operation the operation keeps the locks
// instead.
func (r *Ratchet) locked(ctx context.Context, names []string) (release func(), err error) {
	if o := r.operationOf(ctx); o != nil {
		return func() {}, o.lock(ctx, names)
	}
	for i, name := range names {
		if err = r.acquire(ctx, name); err != nil {
			for _, held := range names[:i] {
				r.locks.unlock(held)
			}
			return nil, err
		}
	}
	return func() {
		for _, name := range names {
			r.locks.unlock(name)
		}
	}, nil
}

// change commits a work that changes has no field for, and removes the users' entries of this kind from the cache.
func (r *Ratchet) change(ctx context.Context, users []string, kind byte, work func(ctx context.Context) error) error {
	release, err := r.locked(ctx, users)
	if err != nil {
		return err
	}
	defer release()
	err = r.commit(ctx, work)
	r.cache.removeEntries(r, func(k byte, name string) bool { return k == kind && slices.Contains(users, userOf(name)) })
	if err != nil {
		return r.fail(ctx, err)
	}
	return nil
}

// usersOf returns the users of the addresses, sorted and without duplicates.
func usersOf(addresses []string) []string {
	users := make([]string, len(addresses))
	for i, address := range addresses {
		users[i] = userOf(address)
	}
	slices.Sort(users)
	return slices.Compact(users)
}
