// Package ratchet stands between whatsmeow and the tables in which devices store their Signal sessions.
//
// It owns the locks of the correspondents' sessions, the commits (which changes belong together, and what waits for
// them) and the cache of the tables. It knows neither clients nor connections.
package ratchet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
)

// lockTimeout bounds the wait for a correspondent's lock. Its holder may itself be waiting for WhatsApp's answer, if it
// has to fetch a recipient's keys.
const lockTimeout = 30 * time.Second

// Ratchet stands between whatsmeow and the tables in which a device stores its Signal sessions. It adds what
// whatsmeow's own store lacks:
//
//   - Locks: whatsmeow loads a session, encrypts or decrypts with it and stores it, without a lock around the three
//     steps. A send and a receive in one chat could load the same state and use the same message key twice. So each
//     correspondent's sessions have a lock, which is held from the first load to the commit.
//   - One commit: the changes of a send or a decryption are collected and committed as one work (Config.Commit), which
//     shares its disk flush with other sessions. The bytes of a send leave after the commit, so a key is not used again
//     after a crash.
//   - A cache of what was read or committed.
//   - Order: if the database fails during a decryption, neither this message nor a later one is acknowledged or
//     requested again from its sender. The run ends, and WhatsApp delivers the messages to the next run.
//
// It implements the stores of a *store.Device. Each method does what the method of the same name in whatsmeow's store
// package does.
type Ratchet struct {
	*Shared
	write *sqlstore.SQLStore // writes within the transaction of the context
	read  *sqlstore.SQLStore // reads what is committed
	jid   string             // the device's JID as the tables store it
	own   string             // the device's own Signal address
	// tolerates reports whether the run goes on after this failure: it concerns one message, and other writes succeed.
	tolerates func(err error) bool
	failed    func(err error)

	locks locks

	mu         sync.Mutex
	failedWith error // the first failure of the database
	closed     bool
	leases     map[string]*lease // sessions that are loaded outside of an operation, by address
	overdue    map[string]int    // leases that expired before their session was stored, counted by address
	migrated   map[string]bool   // pairs of users whose sessions were migrated in this run
	tokens     map[types.JID]*store.PrivacyToken
	salt       *[]byte
	mappedAt   int64 // the value of mapped when tokens was created
	changed    int   // how often tokens and salt were cleared
	pruned     bool  // old outgoing messages were deleted in this run
}

// Wrap replaces the stores of the device by a ratchet. failed is called once, at the first database failure that keeps
// the run from receiving. tolerates is asked before; if it returns true, whatsmeow gets the error and the run goes on.
func (s *Shared) Wrap(device *store.Device, tolerates func(err error) bool, failed func(err error)) *Ratchet {
	write, is := device.Sessions.(*sqlstore.SQLStore) // as the container made it
	if !is || write.Container != s.writing {
		write = sqlstore.NewSQLStore(s.writing, *device.ID)
	}
	r := &Ratchet{
		Shared: s, write: write, read: sqlstore.NewSQLStore(s.reading, *device.ID), jid: write.JID,
		own: device.LID.SignalAddress().String(), tolerates: tolerates, failed: failed,
	}
	r.cache.addRun(r)
	device.Sessions = sessions{r}
	device.Identities = identities{r}
	device.SenderKeys = senderKeys{r}
	device.PreKeys = preKeys{device.PreKeys, r}
	device.EventBuffer = eventBuffer{r}
	device.MsgSecrets = secrets{r}
	device.PrivacyTokens = tokens{r}
	device.NCTSalt = salts{r}
	device.LIDs = lids{device.LIDs, r}
	return r
}

// Close drops what is in memory. Changes that were not committed are lost, but nothing that depends on them was sent.
func (r *Ratchet) Close() {
	r.mu.Lock()
	r.closed = true
	for _, l := range r.leases {
		l.timer.Stop()
	}
	r.mu.Unlock()
	r.cache.removeRun(r)
}

// staleError is the error for storing a session that another caller may have stored since it was loaded. whatsmeow then
// does not acknowledge the retry request that it was answering, so the request comes again.
type staleError struct{}

var errStale error = staleError{}

func (staleError) Error() string { return "another caller may have changed the Signal session" }

// Is implements the interface of errors.Is.
func (staleError) Is(target error) bool { return target == context.Canceled || target == errStale }

// storeFailure is a database failure while receiving. It matches context.Canceled, so whatsmeow treats it as the end of
// the connection: it neither acknowledges the message nor asks its sender for it again.
type storeFailure struct{ err error }

func (e *storeFailure) Error() string {
	return "the database failed, so receiving ends: " + e.err.Error()
}
func (e *storeFailure) Unwrap() error { return e.err }

// Is implements the interface of errors.Is.
func (e *storeFailure) Is(target error) bool { return target == context.Canceled }

// fail ends receiving for the run, unless ctx has ended: an error that the end of the run caused is no database
// failure.
func (r *Ratchet) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil || r.failure() == nil && r.tolerates(err) {
		return err
	}
	r.mu.Lock()
	first := r.failedWith == nil && !r.closed
	if first {
		r.failedWith = err
	}
	r.mu.Unlock()
	if first {
		r.failed(err)
	}
	return &storeFailure{err}
}

// failure returns why this run can receive nothing more, or nil. GetBufferedEvent checks it before each decryption,
// because whatsmeow only logs that it could not store a part of a message.
func (r *Ratchet) failure() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failedWith == nil {
		return nil
	}
	return &storeFailure{r.failedWith}
}

// operation is one send or one decryption. The context of whatsmeow's calls carries it.
type operation struct {
	r         *Ratchet
	receiving bool

	mu     sync.Mutex
	ended  bool
	held   map[string]bool // names of the locks that the operation holds
	staged changes
	err    error // the first failure of the database; later commits fail with it, too
}

type operationKey struct{}

// operationOf returns the operation of ctx, or nil if whatsmeow calls outside of an operation.
func (r *Ratchet) operationOf(ctx context.Context) *operation {
	o, ok := ctx.Value(operationKey{}).(*operation)
	if !ok || o.r != r {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return nil
	}
	return o
}

func (r *Ratchet) begin(ctx context.Context, receiving bool) (context.Context, *operation) {
	o := &operation{r: r, receiving: receiving, held: make(map[string]bool)}
	return context.WithValue(ctx, operationKey{}, o), o
}

// lock acquires the locks that the operation does not hold yet. To avoid a deadlock, a caller that needs several passes
// them in one call, sorted by name.
func (o *operation) lock(ctx context.Context, names []string) error {
	for _, name := range names {
		o.mu.Lock()
		held := o.held[name]
		o.mu.Unlock()
		if held {
			continue
		}
		if err := o.r.acquire(ctx, name); err != nil {
			return o.fail(err)
		}
		o.mu.Lock()
		o.held[name] = true
		o.mu.Unlock()
	}
	return nil
}

func (r *Ratchet) acquire(ctx context.Context, name string) error {
	if r.locks.try(name) { // the usual case, without a timer
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	err := r.locks.acquire(bounded, name)
	if err != nil && ctx.Err() == nil {
		return &session.Error{Code: session.CodeStoreLocked, Op: "lock session", Err: err}
	}
	return err
}

func (o *operation) unlock() {
	o.mu.Lock()
	held := o.held
	o.held = make(map[string]bool)
	o.mu.Unlock()
	for name := range held {
		o.r.locks.unlock(name)
	}
}

// fail records the first failure of the operation and returns err.
func (o *operation) fail(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return err
}

func (o *operation) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// stage adds a change to the operation.
func (o *operation) stage(change func(*changes)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.staged)
}

// commit writes the collected changes. It keeps the locks, so that nobody caches a value that is older than the
// database's.
func (o *operation) commit(ctx context.Context) error {
	o.mu.Lock()
	staged, err := o.staged, o.err
	o.staged = changes{}
	o.mu.Unlock()
	if err == nil {
		err = o.r.put(ctx, &staged)
	}
	if err != nil {
		return o.fail(err)
	}
	return nil
}

// put commits changes and then adds them to the cache.
func (r *Ratchet) put(ctx context.Context, c *changes) error {
	if c.empty() {
		return nil
	}
	err := r.writer.put(ctx, r, c)
	if err != nil {
		// If the connection broke during the commit, the database may have the old or the new values.
		r.cache.removeEntries(r, c.touches)
		return err
	}
	c.remember(r)
	return nil
}

// Send runs a send of whatsmeow's with the locks of its sessions and with one commit before the bytes leave. send must
// pass its context on to whatsmeow.
func (r *Ratchet) Send(ctx context.Context, send func(ctx context.Context) error) error {
	within, o := r.begin(ctx, false)
	defer o.end()
	err := send(within)
	if failure := o.failure(); failure != nil {
		return fmt.Errorf("store the session: %w", failure)
	}
	if err != nil {
		return err
	}
	// A message without any recipient device still stores something: its copy for later retries.
	return o.commit(ctx)
}

// end releases the locks and drops changes that were not committed.
func (o *operation) end() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.unlock()
}

// userOf returns the user of a Signal address, which has the form USER:DEVICE.
func userOf(address string) string {
	user, _, _ := strings.Cut(address, ":")
	return user
}
