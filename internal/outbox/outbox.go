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
	// AttemptTimeout bounds one attempt: the wait for the session and for WhatsApp's acknowledgement. The time to upload
	// a file comes on top. Default 45 s: the session's own limit for the acknowledgement (30 s) ends first.
	AttemptTimeout time.Duration
	// StoreTimeout bounds one write of an outcome. A failed write is repeated until it is stored. Default 5 s.
	StoreTimeout time.Duration
	// MaxOpen is the number of unfinished messages that one session may have; one more is CodeQueueFull. Default 100,000.
	MaxOpen int
	// MaxAttempts is the number of attempts without an outcome after which a message fails. Attempts that may have
	// reached WhatsApp count, and so do those that ended the connection. Attempts that could not begin do not count.
	// Default 20; negative: no limit.
	MaxAttempts int
	// RetryMin and RetryMax bound the pause between two attempts of one message. The first retry follows as soon as the
	// session is READY. After that the pause starts at RetryMin and doubles. Defaults 1 s and 5 min.
	RetryMin, RetryMax time.Duration
	// Window is the number of messages of a session that are marked as being sent in one commit. They still leave one
	// after the other, because the WhatsApp library sends one at a time. A larger window saves commits, but marked
	// messages can no longer be cancelled. Default 1.
	Window int
	// Rate is the number of messages that a session may send in a second; 0: no limit.
	Rate float64
	// Jitter is the longest random time that is added to the pause between two messages of a session.
	Jitter time.Duration
	// DailyCap is the number of a session's messages that WhatsApp may acknowledge in one day (UTC). Further messages
	// wait for the next day. 0: no limit.
	DailyCap int
	// KeyRetention is how long an Idempotency-Key stays valid after its message was accepted. Default 24 h.
	KeyRetention time.Duration
	// Retention is how long settled messages are kept after their last change. Default 7 days; at least KeyRetention.
	Retention time.Duration
	// RetentionCount is the number of settled messages that are kept at most. The oldest are deleted first, but none
	// whose key may still be valid. Default 1,000,000; negative: no limit.
	RetentionCount int
	// PruneEvery is the pause between two searches for messages to delete. Default 10 min.
	PruneEvery time.Duration
	Observer   Observer     // default: none
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
		o.Retention = max(o.Retention, 24*time.Hour) // the cap counts the day's messages in the ledger
	}
	o.RetentionCount = cmp.Or(o.RetentionCount, 1_000_000)
	o.PruneEvery = cmp.Or(o.PruneEvery, 10*time.Minute)
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

type noObserver struct{}

func (noObserver) MessageChanged(message.State, session.Code) {}
func (noObserver) MessageAcked(time.Duration)                 {}
func (noObserver) MessageRetried(session.Code)                {}

// notReadySender is the sender before Start: no session is READY.
type notReadySender struct{}

func (notReadySender) Ready(session.ID) bool                       { return false }
func (notReadySender) Returns(session.ID, time.Time) bool          { return false }
func (notReadySender) AwaitReady(context.Context, session.ID) bool { return false }

func (notReadySender) Send(_ context.Context, id session.ID, _ message.Outgoing) (message.Ack, error) {
	return message.Ack{}, &session.Error{Code: session.CodeNotReady, Op: "send message", Session: id}
}

// Outbox sends messages through the ledger. Its methods are safe for concurrent use.
type Outbox struct {
	ledger  Ledger
	sender  Sender // set by Start
	options Options

	base   context.Context // parent of the contexts of attempts and writes; ends when Stop no longer waits
	cancel context.CancelFunc
	closed chan struct{} // closed by the first Stop
	owned  sync.WaitGroup

	targets  targets
	records  *recorder
	pacer    *pacer
	waiters  *waiters
	retainer *retainer

	mu      sync.Mutex // guards the fields below; not held during calls of the ledger, the sender or the observer
	closing bool       // Stop was called
	halted  bool       // no attempt begins any more: Stop was called, or the sessions are shutting down
	running int        // number of running attempts
	lanes   map[session.ID]*lane
	held    map[session.ID]int // messages that wait for a person
}

// New returns an outbox that has not started: it accepts and stores messages, but sends none.
func New(ledger Ledger, options Options) *Outbox {
	base, cancel := context.WithCancel(context.Background())
	o := &Outbox{
		ledger: ledger, sender: notReadySender{}, options: options.withDefaults(),
		base: base, cancel: cancel, closed: make(chan struct{}),
		waiters: newWaiters(), lanes: map[session.ID]*lane{}, held: map[session.ID]int{},
	}
	o.records = &recorder{ledger: ledger, options: &o.options, base: base, waiters: o.waiters, count: o.countChanges}
	o.targets = targets{ledger}
	o.pacer = newPacer(base, ledger, &o.options)
	o.retainer = newRetainer(o)
	return o
}

// Start loads the backlog from the ledger and sends through sender from now on. It is called once, before any message
// is enqueued and before any session runs. After Stop it returns CodeShuttingDown.
func (o *Outbox) Start(ctx context.Context, sender Sender) error {
	o.sender = sender
	backlog, err := o.ledger.Backlog(ctx)
	if err != nil {
		return err
	}
	held, err := o.ledger.HeldCounts(ctx)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.held = held
	o.mu.Unlock()
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

// spawn runs do in a goroutine that Stop waits for. It returns false, and runs nothing, once Stop was called.
func (o *Outbox) spawn(do func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closing {
		o.owned.Go(do)
	}
	return !o.closing
}

// Enqueue accepts a message. When it returns without an error, the message is on disk and will be sent once its session
// is READY, even if the process ends in between. The session must exist but need not be READY. existed means that the
// session already has a message with this key and the same body, and that msg is this earlier message. The same key
// with another body is CodeIdempotencyReuse.
//
// Errors: CodeInvalidRequest, CodeNotFound, CodeIdempotencyReuse, CodeQueueFull, CodeShuttingDown, and those of the
// ledger. After CodeStoreUnavailable the message may have been stored; after any other error it was not.
func (o *Outbox) Enqueue(ctx context.Context, request message.Request) (msg message.Message, existed bool, err error) {
	if err := check(&request, time.Now()); err != nil {
		return message.Message{}, false, err
	}
	entry := draft(request)
	if err := o.targets.check(ctx, &request); err != nil {
		// The message may be accepted already: then the answer to the same request is the same.
		if earlier, found, findErr := o.find(ctx, &entry); request.Key != "" && findErr == nil && found {
			return earlier.Message, true, nil
		}
		return message.Message{}, false, err
	}
	entry, existed, err = o.enqueue(ctx, entry)
	return entry.Message, existed, err
}

// Known returns the earlier message that Enqueue would return for the request's key, or false if Enqueue would accept a
// new message. It compares only To, Key and the Fingerprint, or the Content if there is no Fingerprint. So a repeated
// request does not have to fetch its file again. Errors: CodeIdempotencyReuse and those of the ledger.
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
		o.noteStored(&stored)
		return stored, false, nil
	}
	o.unreserve(entry.Session, false)
	if stored.BodyHash != entry.BodyHash {
		return Entry{}, false, keyReused(entry.Session)
	}
	return stored, true, nil
}

// replay returns the earlier message of a key although the queue is full. For a new message it returns the error full.
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

// find returns the message of an entry's key, or false if there is none or the key has expired. CodeIdempotencyReuse:
// the message has another body.
func (o *Outbox) find(ctx context.Context, entry *Entry) (Entry, bool, error) {
	stored, found, err := o.ledger.Find(ctx, entry.Session, entry.Key)
	switch {
	case err != nil || !found:
		return Entry{}, false, err
	case stored.State.Settled() && stored.CreatedAt.Before(time.Now().Add(-o.options.KeyRetention)):
		return Entry{}, false, nil
	case stored.BodyHash != entry.BodyHash:
		return Entry{}, false, keyReused(entry.Session)
	}
	return stored, true, nil
}

// reserve counts a message as open before it is stored, so that concurrent callers cannot exceed MaxOpen together.
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
			Message: fmt.Sprintf("%d messages of this session are already waiting to be sent; try again later", l.open),
		}
	}
	l.open++
	return nil
}

// unreserve undoes reserve. unsure means that the message may have been stored although the ledger returned an error,
// so the lane reads the ledger again.
func (o *Outbox) unreserve(id session.ID, unsure bool) {
	o.mu.Lock()
	if l := o.lanes[id]; l != nil {
		l.open--
		l.uncounted = l.uncounted || unsure
		l.collect()
	}
	o.mu.Unlock()
	if unsure {
		o.wake(id)
	}
}

// countChanges takes changes that were carried out from the counts of unfinished and held messages.
func (o *Outbox) countChanges(list []outcome, carried []bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range list {
		c := &list[i].change
		switch wasHeld := len(c.From) == 1 && c.From[0] == message.Held; {
		case !carried[i]:
		case wasHeld:
			o.countHeld(c.Session, -1)
		case c.To.Settled():
			o.countSettled(c.Session, c.ID)
		}
	}
}

// countSettled lowers a session's number of open messages by one, for a message that was settled or discarded. If the
// lane's pause was for this message, the next one may leave at once. The caller holds the lock.
func (o *Outbox) countSettled(id session.ID, messageID string) {
	l := o.lanes[id]
	if l == nil {
		return
	}
	l.open = max(0, l.open-1)
	if l.retryID == messageID {
		l.paused = time.Time{}
		if !l.working {
			l.arm(time.Now())
		}
	}
	l.collect()
}

// noteStored tells the lane, the observer and the retainer about a message that was just stored.
func (o *Outbox) noteStored(e *Entry) {
	since := later(e.CreatedAt, e.SendAt)
	o.mu.Lock()
	if l := o.lanes[e.Session]; l != nil && (l.oldest.IsZero() || l.open == 1) {
		l.oldest = since
		if l.open == 1 && !l.uncounted && e.SendAt.IsZero() {
			l.onlyEntry = e
		}
	}
	o.mu.Unlock()
	o.options.Observer.MessageChanged(message.Queued, "")
	if !e.ExpiresAt.IsZero() {
		o.retainer.noteExpiry(e.ExpiresAt)
	}
	o.wake(e.Session)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func keyReused(id session.ID) error {
	return &session.Error{Code: session.CodeIdempotencyReuse, Op: "enqueue message", Session: id, Field: "Idempotency-Key"}
}

// SessionChanged must be called on every change of a session's state. It does not block.
func (o *Outbox) SessionChanged(id session.ID, state session.State, _ session.Cause) {
	if state == session.Ready {
		o.wake(id)
		return
	}
	o.waiters.update(id, func(*news) {}) // they look whether the session comes back
}

// SessionRemoved must be called after a session and its messages were deleted. It does not block.
func (o *Outbox) SessionRemoved(id session.ID) {
	o.mu.Lock()
	if l := o.lanes[id]; l != nil {
		l.removed = true
		l.disarm()
		delete(o.lanes, id)
	}
	delete(o.held, id)
	o.mu.Unlock()
	o.pacer.remove(id)
	o.waiters.update(id, func(n *news) { n.removed = true })
}

// Stats are the current figures of the outbox.
type Stats struct {
	Open   int           // messages that are queued or being sent
	Held   int           // messages that wait for a person, because another account is linked now
	Lanes  int           // sessions that have such messages
	Oldest time.Duration // time since the oldest of them was accepted, or became due
}

// Stats returns the current figures. It does not read the ledger.
func (o *Outbox) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	var s Stats
	now := time.Now()
	for _, n := range o.held {
		s.Held += n
	}
	for _, l := range o.lanes {
		s.Open += l.open
		s.Lanes++
		if !l.oldest.IsZero() {
			s.Oldest = max(s.Oldest, now.Sub(l.oldest))
		}
	}
	return s
}

// Stop refuses new messages, begins no attempt and waits for the running ones. When ctx ends, it cancels them. A
// cancelled message stays in the ledger, and the next process sends it again under the same id. Stop is idempotent and
// legal before Start. CodeTimeout: attempts were still running when ctx ended.
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
	// Cancelled attempts end soon. This short wait lets them finish with the ledger before the caller closes the store.
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

// Drain begins no attempt any more and lets the running ones end. A caller of SendText whose message has not left gets
// CodeShuttingDown. It does not block.
func (o *Outbox) Drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halt()
}

// halt prevents further attempts and wakes all waiters so that they check their messages. The caller holds the lock.
func (o *Outbox) halt() {
	if o.halted {
		return
	}
	o.halted = true
	o.waiters.wakeAll()
}

func (o *Outbox) isHalted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.halted
}
