package outbox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Options tune an Outbox. The zero value of a field means its default.
type Options struct {
	// AttemptTimeout bounds one attempt: the wait for the session and for WhatsApp's acknowledgement. Default 45 s, which
	// leaves the session's own acknowledgement limit of 30 s room to speak first. A file adds the time for its upload.
	AttemptTimeout time.Duration
	// StoreTimeout bounds one write of an outcome, which is tried again until it is stored. Default 5 s.
	StoreTimeout time.Duration
	// MaxOpen is how many messages of one session may be unfinished; the next one is CodeQueueFull. Default 100,000.
	MaxOpen int
	// MaxAttempts is after how many attempts without an outcome a message fails: attempts that perhaps reached WhatsApp
	// or that ended the connection, not those that could not begin. Default 20; negative: no limit.
	MaxAttempts int
	// RetryMin and RetryMax bound the pause between two attempts of one message. The first retry follows as soon as the
	// session is READY; from there the pause doubles. Defaults 1 s and 5 min.
	RetryMin, RetryMax time.Duration
	// Window is how many messages of a session are marked as being sent in one commit. They leave one after another all
	// the same, because the WhatsApp library sends one at a time; a larger window saves commits, and what is marked can no
	// longer be cancelled. Default 1.
	Window int
	// Rate is how many messages a second may leave a session at most; 0: no limit.
	Rate float64
	// Jitter is the most that is added, at random, to the pause between two messages of a session.
	Jitter time.Duration
	// DailyCap is how many messages of a session WhatsApp may take in one day (UTC); the others wait. 0: no limit.
	DailyCap int
	// KeyRetention is how long a key keeps its meaning after its message was accepted. Default 24 h.
	KeyRetention time.Duration
	// Retention is how long settled messages are kept after their last change. Default 7 days; not below KeyRetention.
	Retention time.Duration
	// RetentionCount is how many settled messages are kept at most, the oldest going first; those whose key may still be
	// needed stay. Default 1,000,000; negative: no limit.
	RetentionCount int
	// PruneEvery is the pause between two looks for messages to delete. Default 10 min.
	PruneEvery time.Duration
	Observer   Observer     // default: nobody
	Logger     *slog.Logger // default: discard
}

func (o Options) withDefaults() Options {
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, 45*time.Second)
	o.StoreTimeout = cmp.Or(o.StoreTimeout, 5*time.Second)
	o.MaxOpen = cmp.Or(o.MaxOpen, 100_000)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 20)
	o.RetryMin = cmp.Or(o.RetryMin, time.Second)
	o.RetryMax = max(o.RetryMin, cmp.Or(o.RetryMax, 5*time.Minute))
	o.Window = max(1, o.Window)
	o.KeyRetention = cmp.Or(o.KeyRetention, 24*time.Hour)
	o.Retention = max(o.KeyRetention, cmp.Or(o.Retention, 7*24*time.Hour))
	if o.DailyCap > 0 {
		o.Retention = max(o.Retention, 24*time.Hour) // the day's messages are counted in the ledger
	}
	o.RetentionCount = cmp.Or(o.RetentionCount, 1_000_000)
	o.PruneEvery = cmp.Or(o.PruneEvery, 10*time.Minute)
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

type nobody struct{}

func (nobody) MessageChanged(message.State, session.Code) {}
func (nobody) MessageAcked(time.Duration)                 {}
func (nobody) MessageRetried(session.Code)                {}

// unready is the sender before Start.
type unready struct{}

func (unready) Ready(session.ID) bool { return false }

func (unready) Send(_ context.Context, id session.ID, _ message.Outgoing) (message.Ack, error) {
	return message.Ack{}, &session.Error{Code: session.CodeNotReady, Op: "send message", Session: id}
}

// Outbox sends messages through the ledger. Its methods are safe for concurrent use.
type Outbox struct {
	ledger  Ledger
	sender  Sender // from Start on
	options Options

	base   context.Context // of attempts and writes: ends when Stop stops waiting
	cancel context.CancelFunc
	closed chan struct{} // closed by the first Stop
	owned  sync.WaitGroup

	pacer    *pacer
	waiters  *waiters
	retainer *retainer

	mu      sync.Mutex // guards what follows; never held across a call
	closing bool
	halted  bool // the sessions are being stopped, so that no attempt can begin
	running int  // attempts
	lanes   map[session.ID]*lane
}

// New makes an outbox that has not started: it stores what it is given, and sends nothing.
func New(ledger Ledger, options Options) *Outbox {
	base, cancel := context.WithCancel(context.Background())
	o := &Outbox{
		ledger: ledger, sender: unready{}, options: options.withDefaults(),
		base: base, cancel: cancel, closed: make(chan struct{}),
		waiters: newWaiters(), lanes: map[session.ID]*lane{},
	}
	o.pacer = newPacer(base, ledger, &o.options)
	o.retainer = newRetainer(o)
	return o
}

// Start takes up what was left unfinished and sends through sender from now on. It is called once, before anything is
// enqueued and before any session runs. After Stop it is CodeShuttingDown.
func (o *Outbox) Start(ctx context.Context, sender Sender) error {
	o.sender = sender
	backlog, err := o.ledger.Backlog(ctx)
	if err != nil {
		return err
	}
	for _, b := range backlog {
		o.mu.Lock()
		l := o.lane(b.Session)
		l.open, l.oldest = l.open+b.Open, b.Oldest
		o.mu.Unlock()
	}
	if !o.spawn(o.retainer.run) {
		return &session.Error{Code: session.CodeShuttingDown, Op: "start outbox"}
	}
	for _, b := range backlog {
		o.wake(b.Session)
	}
	return nil
}

// spawn runs something that Stop waits for; false once Stop was called.
func (o *Outbox) spawn(do func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closing {
		o.owned.Go(do)
	}
	return !o.closing
}

// Enqueue accepts a message: when it returns, the message is on disk, and it will be sent once its session is READY,
// whatever happens to the process. existed: the session has a message with this key and the same body, which is
// returned; another body is CodeIdempotencyReuse. The session must exist and need not be READY.
//
// Errors: CodeInvalidRequest, CodeNotFound, CodeIdempotencyReuse, CodeQueueFull, CodeShuttingDown, and those of the
// ledger, in which case nothing was accepted.
func (o *Outbox) Enqueue(ctx context.Context, request message.Request) (msg message.Message, existed bool, err error) {
	if err := check(&request, time.Now()); err != nil {
		return message.Message{}, false, err
	}
	entry, existed, err := o.enqueue(ctx, draft(request))
	return entry.Message, existed, err
}

// Known gives the message that Enqueue would answer the request's key with; false where it would accept a new one. Only
// To, Key and Fingerprint or Content count, so that a caller who repeats a request need not get its file again. Errors:
// CodeIdempotencyReuse and those of the ledger.
func (o *Outbox) Known(ctx context.Context, request message.Request) (message.Message, bool, error) {
	if request.Key == "" {
		return message.Message{}, false, nil
	}
	entry := draft(request)
	stored, found, err := o.find(ctx, &entry)
	return stored.Message, found, err
}

func (o *Outbox) enqueue(ctx context.Context, entry Entry) (Entry, bool, error) {
	if err := o.reserve(entry.Session); err != nil {
		return o.replay(ctx, &entry, err)
	}
	stored, existed, err := o.ledger.Enqueue(ctx, entry, time.Now().Add(-o.options.KeyRetention))
	switch {
	case err != nil:
		o.unreserve(entry.Session, session.CodeOf(err) == session.CodeStoreUnavailable)
		return Entry{}, false, err
	case !existed:
		o.admit(&stored)
		return stored, false, nil
	}
	o.unreserve(entry.Session, false)
	if stored.BodyHash != entry.BodyHash {
		return Entry{}, false, reuse(entry.Session)
	}
	return stored, true, nil
}

// replay answers a key that was accepted before, also where there is no room for more.
func (o *Outbox) replay(ctx context.Context, entry *Entry, full error) (Entry, bool, error) {
	if session.CodeOf(full) != session.CodeQueueFull || entry.Key == "" {
		return Entry{}, false, full
	}
	stored, found, err := o.find(ctx, entry)
	if err != nil {
		return Entry{}, false, err
	}
	if !found {
		return Entry{}, false, full
	}
	return stored, true, nil
}

// find gives the message of a key that keeps its meaning.
func (o *Outbox) find(ctx context.Context, entry *Entry) (Entry, bool, error) {
	stored, found, err := o.ledger.Find(ctx, entry.Session, entry.Key)
	switch {
	case err != nil || !found:
		return Entry{}, false, err
	case !stored.Open() && stored.CreatedAt.Before(time.Now().Add(-o.options.KeyRetention)):
		return Entry{}, false, nil
	case stored.BodyHash != entry.BodyHash:
		return Entry{}, false, reuse(entry.Session)
	}
	return stored, true, nil
}

// reserve counts a message before it is stored, so that a crowd of callers cannot pass the bound together.
func (o *Outbox) reserve(id session.ID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return &session.Error{Code: session.CodeShuttingDown, Op: "enqueue message", Session: id}
	}
	l := o.lane(id)
	if l.open >= o.options.MaxOpen {
		return &session.Error{
			Code: session.CodeQueueFull, Op: "enqueue message", Session: id,
			Message: fmt.Sprintf("%d messages of this session wait to be sent already; try again later", l.open),
		}
	}
	l.open++
	return nil
}

// unreserve takes a reservation back. unsure: the message may have been stored all the same, so somebody has to look.
func (o *Outbox) unreserve(id session.ID, unsure bool) {
	o.mu.Lock()
	if l := o.lanes[id]; l != nil {
		l.open--
		l.unsure = l.unsure || unsure
		l.collect()
	}
	o.mu.Unlock()
	if unsure {
		o.wake(id)
	}
}

// admit takes a stored message up.
func (o *Outbox) admit(e *Entry) {
	since := later(e.CreatedAt, e.SendAt)
	o.mu.Lock()
	if l := o.lanes[e.Session]; l != nil && (l.oldest.IsZero() || l.open == 1) {
		l.oldest = since
		if l.open == 1 && !l.unsure && e.SendAt.IsZero() {
			l.fresh = e
		}
	}
	o.mu.Unlock()
	o.options.Observer.MessageChanged(message.Queued, "")
	if !e.ExpiresAt.IsZero() {
		o.retainer.expires(e.ExpiresAt)
	}
	o.wake(e.Session)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func reuse(id session.ID) error {
	return &session.Error{Code: session.CodeIdempotencyReuse, Op: "enqueue message", Session: id, Field: "Idempotency-Key"}
}

// SessionChanged is told every change of a session's state. It does not block.
func (o *Outbox) SessionChanged(id session.ID, state session.State, _ session.Cause) {
	if state == session.Ready {
		o.wake(id)
		return
	}
	o.waiters.change(id, func(n *news) { n.unready = true })
}

// SessionRemoved is told that a session was deleted, and its messages with it. It does not block.
func (o *Outbox) SessionRemoved(id session.ID) {
	o.mu.Lock()
	if l := o.lanes[id]; l != nil {
		l.gone = true
		l.disarm()
		delete(o.lanes, id)
	}
	o.mu.Unlock()
	o.pacer.remove(id)
	o.waiters.change(id, func(n *news) { n.removed = true })
}

// Stats are the figures of this moment.
type Stats struct {
	Open   int           // messages that are queued or being sent
	Lanes  int           // sessions that have some
	Oldest time.Duration // since the longest waiting one was accepted, or became due
}

// Stats gives the figures of this moment. It reads no ledger.
func (o *Outbox) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	var s Stats
	now := time.Now()
	for _, l := range o.lanes {
		s.Open += l.open
		s.Lanes++
		if !l.oldest.IsZero() {
			s.Oldest = max(s.Oldest, now.Sub(l.oldest))
		}
	}
	return s
}

// Stop refuses new messages, begins no attempt, waits for those that run, and cuts them off when ctx ends. What was cut
// off stays in the ledger and is sent again, under the same id, by the next process. Stop is idempotent and legal before Start.
// CodeTimeout: attempts were still running when ctx ended.
func (o *Outbox) Stop(ctx context.Context) error {
	o.mu.Lock()
	if !o.closing {
		o.closing = true
		close(o.closed)
	}
	for _, l := range o.lanes {
		l.disarm()
	}
	o.halt()
	o.mu.Unlock()

	drained := make(chan struct{})
	go func() {
		o.owned.Wait()
		close(drained)
	}()
	defer o.cancel()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	cutOff := o.running
	o.mu.Unlock()
	o.cancel()
	// Cut-off attempts end by themselves; the short wait lets them leave the ledger before the store closes under them.
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-drained:
	case <-grace.C:
	}
	if cutOff == 0 {
		return nil
	}
	return &session.Error{
		Code: session.CodeTimeout, Op: "stop outbox",
		Message: fmt.Sprintf("%d messages were still being sent and were cut off", cutOff), Err: ctx.Err(),
	}
}

// halt begins no attempt from now on and lets those who wait look where their messages are; the lock is held.
func (o *Outbox) halt() {
	if o.halted {
		return
	}
	o.halted = true
	o.waiters.wake()
}

func (o *Outbox) isHalted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.halted
}
