// Package ratchet stands between whatsmeow and the tables in which devices keep their Signal sessions.
//
// It owns who may use a correspondent's sessions, what is committed together and before what, and what is remembered of
// the tables. It knows no client and no connection.
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

// lockPatience bounds the wait for a chat's Signal session. Who holds one may wait for WhatsApp's answer meanwhile, when a
// recipient's keys have to be fetched first.
const lockPatience = 30 * time.Second

// Ratchet stands between whatsmeow and the tables in which a device keeps its Signal sessions. It adds what whatsmeow's own
// store lacks:
//
//   - One at a time: whatsmeow loads a session, encrypts or decrypts with it and stores it without a lock around the three.
//     A send and a receive in one chat could load the same state, and the message key that both take would be used twice. So
//     each correspondent's sessions have a lock, held from the first load to the commit.
//   - One commit: what a send or a decryption changes is collected and committed as one work (Config.Commit), which shares
//     its flush of the disk with other sessions. A send's bytes leave after it, so after a crash no key is used again.
//   - Memory: what was read or committed is read again from a cache.
//   - Order: where the database fails a decryption, the message is neither acknowledged nor asked for again, and so are
//     those behind it. The run ends, and WhatsApp delivers them again to the next one.
//
// It is the stores of a *store.Device, so a method is what its namesake in whatsmeow's store package is.
type Ratchet struct {
	*Shared
	write  *sqlstore.SQLStore // takes part in the transaction of its context
	read   *sqlstore.SQLStore // as committed
	jid    string             // of the device, as the tables have it
	own    string             // the device's own Signal address
	failed func(err error)

	locks locks

	mu         sync.Mutex
	failedWith error // of the database
	closed     bool
	leases     map[string]*lease // by address: sessions that are loaded outside of an operation
	overdue    map[string]int    // by address: leases that ended before the session was stored
	moved      map[string]bool   // pairs of users whose sessions were migrated
	tokens     map[types.JID]*store.PrivacyToken
	salt       *[]byte
	mappedAt   int64 // mapped, when tokens was begun
	changed    int   // how often tokens and salt were forgotten
	pruned     bool  // the retry store, in this run
}

// Wrap puts a ratchet before the device's stores. failed is told the first time that the database keeps the run from
// receiving.
func (s *Shared) Wrap(device *store.Device, failed func(err error)) *Ratchet {
	jid := *device.ID
	r := &Ratchet{
		Shared: s, write: sqlstore.NewSQLStore(s.writing, jid), read: sqlstore.NewSQLStore(s.reading, jid),
		jid: jid.String(), own: device.LID.SignalAddress().String(), failed: failed,
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

// Close drops what is in memory. What was not committed is gone; nothing of it has left the process.
func (r *Ratchet) Close() {
	r.mu.Lock()
	r.closed = true
	for _, l := range r.leases {
		l.timer.Stop()
	}
	r.mu.Unlock()
	r.cache.removeRun(r)
}

// staleError is the answer to storing a session that somebody else has stored since it was loaded. whatsmeow then leaves
// the request that it was answering unacknowledged, so that it comes again.
type staleError struct{}

var errStale error = staleError{}

func (staleError) Error() string { return "the Signal session was changed meanwhile" }

// Is implements the interface of errors.Is.
func (staleError) Is(target error) bool { return target == context.Canceled || target == errStale }

// storeFailure is a failure of the database in the middle of receiving. whatsmeow takes it for the end of the connection: it
// neither acknowledges the message nor asks its sender for it again.
type storeFailure struct{ err error }

func (e *storeFailure) Error() string {
	return "receiving ends, because the database fails: " + e.err.Error()
}
func (e *storeFailure) Unwrap() error { return e.err }

// Is implements the interface of errors.Is.
func (e *storeFailure) Is(target error) bool { return target == context.Canceled }

// fail ends receiving for the run. A failure that the end of the run made is none.
func (r *Ratchet) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
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

// failure is why nothing more can be received in this run, or nil. A handler that keeps messages asks it before it says
// that one is kept: whatsmeow only logs where it could not store what belongs to a message.
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

// operation is one send or one decryption. It travels in the context of whatsmeow's calls.
type operation struct {
	r         *Ratchet
	receiving bool

	mu     sync.Mutex
	ended  bool
	held   map[string]bool // names of the locks
	staged changes
	err    error // of the database; what follows it fails, too
}

type operationKey struct{}

// operationOf gives the operation that ctx belongs to, or nil: then the caller is whatsmeow on its own.
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

// lock takes the locks that the operation does not hold yet. Whoever takes several does so in one call, in the order of
// their names.
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
	if r.locks.try(name) { // as nearly always: without a timer
		return nil
	}
	patient, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	err := r.locks.acquire(patient, name)
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

// fail notes the first failure of the database and hands the error on.
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

// stage collects a change.
func (o *operation) stage(change func(*changes)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.staged)
}

// commit writes what was collected. It keeps the locks: what the cache holds must not be older than the database.
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

// put commits changes and then keeps them in memory.
func (r *Ratchet) put(ctx context.Context, c *changes) error {
	if c.empty() {
		return nil
	}
	err := r.writer.put(ctx, r, c)
	if err != nil {
		// Nobody knows what is in the database after a connection that broke at the wrong moment.
		r.cache.removeEntries(r, c.touches)
		return err
	}
	c.remember(r)
	return nil
}

// Send makes a send of whatsmeow's with the locks of its sessions and one commit before the bytes leave. whatsmeow must be
// called with the context that send gets.
func (r *Ratchet) Send(ctx context.Context, send func(ctx context.Context) error) error {
	within, o := r.begin(ctx, false)
	defer o.end()
	err := send(within)
	if failure := o.failure(); failure != nil {
		return fmt.Errorf("storing the session: %w", failure)
	}
	if err != nil {
		return err
	}
	// Messages that are encrypted for nobody leave something: the copy for a later retry.
	return o.commit(ctx)
}

// end gives everything back. What is still staged is dropped.
func (o *operation) end() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.unlock()
}

// userOf is the correspondent of a Signal address, which is USER:DEVICE.
func userOf(address string) string {
	user, _, _ := strings.Cut(address, ":")
	return user
}
