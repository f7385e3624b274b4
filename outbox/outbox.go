package outbox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"wasup/session"
)

// Options tune an Outbox. The zero value of a field means its default.
type Options struct {
	// AttemptTimeout bounds one attempt: the commit, the wait for the session and WhatsApp's acknowledgement.
	// Default 45 s, which leaves the session's own acknowledgement limit of 30 s room to speak first.
	AttemptTimeout time.Duration
	// FinishTimeout bounds writing the outcome, which happens even when the attempt's time is up. Default 5 s.
	FinishTimeout time.Duration
	// KeyRetention is how long keys and their answers are kept after the last write. Default 24 h.
	KeyRetention time.Duration
	// PruneEvery is the pause between two looks for expired entries. Default 10 min.
	PruneEvery time.Duration
	Logger     *slog.Logger // default: discard
}

func (o Options) withDefaults() Options {
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, 45*time.Second)
	o.FinishTimeout = cmp.Or(o.FinishTimeout, 5*time.Second)
	o.KeyRetention = cmp.Or(o.KeyRetention, 24*time.Hour)
	o.PruneEvery = cmp.Or(o.PruneEvery, 10*time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Outbox sends messages through the ledger. Its methods are safe for concurrent use.
type Outbox struct {
	ledger  Ledger
	sender  Sender
	options Options

	base   context.Context // of attempts and pruning: ends when Close stops waiting
	cancel context.CancelFunc
	closed chan struct{} // closed by the first Close
	owned  sync.WaitGroup

	mu       sync.Mutex // guards what follows; never held across a call
	closing  bool
	running  int                     // attempts, with and without a key
	attempts map[attemptKey]*attempt // running attempts that came with a key
}

type attemptKey struct {
	session session.ID
	key     string
}

// New makes an Outbox and starts its pruning. Close ends both.
func New(ledger Ledger, sender Sender, options Options) *Outbox {
	base, cancel := context.WithCancel(context.Background())
	o := &Outbox{
		ledger: ledger, sender: sender, options: options.withDefaults(),
		base: base, cancel: cancel, closed: make(chan struct{}),
		attempts: map[attemptKey]*attempt{},
	}
	o.owned.Add(1)
	go o.prune()
	return o
}

// Result is where a message stands. MessageID is set as soon as it was chosen, beside an error too.
type Result struct {
	MessageID string
	State     State
	At        time.Time // the server's time of the acknowledgement; zero unless State is ServerAck
}

// SendText sends one text message and waits for WhatsApp's acknowledgement.
//
// The message is committed to the ledger before it leaves. With a key: an answered message is answered again without
// sending; a caller that comes while the attempt runs gets that attempt's answer; a message whose attempt ended without
// an answer is sent again under the same id; another body is CodeIdempotencyReuse. A refusal by WhatsApp is stored, and
// comes back as the same error. A caller whose ctx ends gets CodeTimeout, and the attempt goes on without it.
//
// Errors: CodeInvalidRequest, CodeIdempotencyReuse, CodeTimeout, CodeShuttingDown, those of the ledger, in which case
// nothing was sent, and those of the Sender.
func (o *Outbox) SendText(ctx context.Context, request Request) (Result, error) {
	if err := request.check(); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, gone(request, err)
	}
	running, err := o.join(request)
	if err != nil {
		return Result{}, err
	}
	select {
	case <-running.done:
		return running.result, running.err
	case <-ctx.Done():
		// An answer that is there already is better than a timeout.
		select {
		case <-running.done:
			return running.result, running.err
		default:
		}
		return Result{MessageID: running.entry.MessageID, State: Sending}, gone(request, ctx.Err())
	}
}

// join returns the running attempt for the request's key, or begins one.
func (o *Outbox) join(request Request) (*attempt, error) {
	hash := bodyHash(request.To, request.Body)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return nil, &session.Error{Code: session.CodeShuttingDown, Op: "send text", Session: request.Session}
	}
	at := attemptKey{request.Session, request.Key}
	if running, ok := o.attempts[at]; ok && request.Key != "" {
		if running.entry.BodyHash != hash {
			return nil, reuse(request.Session)
		}
		return running, nil
	}
	begun := &attempt{
		done: make(chan struct{}),
		entry: Entry{
			Session: request.Session, MessageID: NewMessageID(request.Session, request.Key), Key: request.Key,
			BodyHash: hash, To: request.To, Text: request.Body, State: Sending,
		},
	}
	if request.Key != "" {
		o.attempts[at] = begun
	}
	o.running++
	o.owned.Add(1)
	go o.run(begun, at)
	return begun, nil
}

// Close refuses new messages, waits for the running attempts, and cuts them off when ctx ends. An attempt that was cut
// off keeps its entry, and a retry with its key sends it under the same id. Close is idempotent.
// CodeTimeout: attempts were still running when ctx ended.
func (o *Outbox) Close(ctx context.Context) error {
	o.mu.Lock()
	if !o.closing {
		o.closing = true
		close(o.closed)
	}
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
		Code: session.CodeTimeout, Op: "close outbox",
		Message: fmt.Sprintf("%d messages were still being sent and were cut off", cutOff), Err: ctx.Err(),
	}
}

func gone(request Request, err error) error {
	return &session.Error{
		Code: session.CodeTimeout, Op: "send text", Session: request.Session,
		Message: "the wait ended before WhatsApp acknowledged the message", Err: err,
	}
}

func reuse(id session.ID) error {
	return &session.Error{Code: session.CodeIdempotencyReuse, Op: "send text", Session: id, Field: "Idempotency-Key"}
}
