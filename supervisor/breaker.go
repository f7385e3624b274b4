package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"wasup/internal/pause"
	"wasup/internal/session"
)

// refreshTimeout bounds one look at which version WhatsApp wants.
const refreshTimeout = 30 * time.Second

const heldBack = "held back: WhatsApp refuses this client version (405)"

// Refresher finds out which client version WhatsApp takes.
type Refresher interface {
	// RefreshVersion looks the newest version up, the way that the session connects, and shows WhatsApp that one from the
	// next Open on. changed reports that it is another one than before.
	RefreshVersion(ctx context.Context, id session.ID) (version string, changed bool, err error)
}

// breaker is the circuit breaker between all sessions and WhatsApp. WhatsApp refuses a client version for the whole
// process, so the first refusal (405) opens it: nothing connects any more, and the breaker answers for WhatsApp, without
// a socket. The version is looked up once; then the breaker is half-open, and one session is the probe. If WhatsApp takes
// it, the breaker closes and everybody held back follows, each at its turn; if not, it stays open for the cool-down.
type breaker struct {
	session.Dialer
	refresher Refresher // nil: only time can help
	coolDown  time.Duration
	log       *slog.Logger
	// release sends Released to the sessions, in order, at their turns. It must not block.
	release func(ids []session.ID)
	// pick chooses one of the sessions that would connect now.
	pick func(ids []session.ID) (session.ID, bool)

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	state  breakerState
	probe  *passage
	held   map[session.ID]struct{}
	trials int           // passages of which nothing is known yet
	quiet  chan struct{} // closed when trials comes to 0; nil: nobody waits for that
	ended  bool
}

// breakerState is how a breaker stands.
type breakerState int

const (
	breakerClosed   breakerState = iota // every run passes
	breakerOpen                         // none passes
	breakerHalfOpen                     // the next one passes, as the probe
	breakerProbing                      // none passes until the probe's outcome is known
)

func newBreaker(cfg Config) *breaker {
	b := &breaker{
		Dialer: cfg.Dialer, refresher: cfg.Refresher, coolDown: cfg.Policy.CoolDown, log: cfg.Log,
		held: make(map[session.ID]struct{}),
	}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

// passage is one run that was let through. Its outcome tells whether WhatsApp takes the version.
type passage struct {
	breaker *breaker
	run     session.Run
	known   bool        // its outcome, or that it has none
	over    bool        // the run has ended
	stop    func() bool // stops watching the run's context
}

// Open implements session.Dialer.
func (b *breaker) Open(ctx context.Context, run session.Run) (session.Client, error) {
	p := b.admit(ctx, run)
	if p == nil {
		return nil, &session.Error{Code: session.CodeClientOutdated, Op: "open client", Session: run.Session, Message: heldBack}
	}
	run.Post = p.post
	client, err := b.Dialer.Open(ctx, run)
	if err != nil {
		p.expire()
	}
	return client, err
}

// admit lets a run through, or holds its session back. A session that is held back is told under the lock, before the
// breaker can close: a release that came first would be lost on it.
func (b *breaker) admit(ctx context.Context, run session.Run) *passage {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == breakerOpen || b.state == breakerProbing {
		b.held[run.Session] = struct{}{}
		run.Post(session.Input{Kind: session.ClientOutdated, Incarnation: run.Incarnation, Detail: heldBack})
		return nil
	}
	p := &passage{breaker: b, run: run}
	delete(b.held, run.Session)
	if b.state == breakerHalfOpen {
		b.state, b.probe = breakerProbing, p
	}
	b.trials++
	// A run that ends with neither a login nor a refusal says nothing of the version.
	p.stop = context.AfterFunc(ctx, p.expire)
	return p
}

// post is between a run and its session.
func (p *passage) post(in session.Input) {
	switch in.Kind {
	case session.SocketUp, session.QRIssued: // both follow what the client says of itself, its version included
		p.accepted()
		p.run.Post(in)
	case session.ClientOutdated:
		p.refused(in)
	default:
		p.run.Post(in)
	}
}

func (p *passage) accepted() {
	b := p.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conclude(p)
	if b.probe != p {
		return
	}
	ids := make([]session.ID, 0, len(b.held))
	for id := range b.held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	b.state, b.probe, b.held = breakerClosed, nil, make(map[session.ID]struct{})
	b.log.Info("WhatsApp accepts the client again", "op", "breaker", "session", p.run.Session, "released", len(ids))
	b.release(ids)
}

func (p *passage) refused(in session.Input) {
	b := p.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if !p.over {
		b.refuse(p)
	}
	p.run.Post(in)
}

// refuse needs the lock. Only the first refusal is told; those of runs that were on their way add nothing.
func (b *breaker) refuse(p *passage) {
	id := p.run.Session
	b.conclude(p)
	b.held[id] = struct{}{}
	switch {
	case b.state == breakerClosed:
		b.state = breakerOpen
		b.log.Error("WhatsApp refuses this client version (405): nothing connects until one is accepted", "op", "breaker", "session", id)
		b.spawn(func() { b.probeLater(id, false) })
	case b.probe == p:
		b.state, b.probe = breakerOpen, nil
		b.log.Error("WhatsApp still refuses this client: the next try is after the cool-down", "op", "breaker", "session", id, "wait", b.coolDown)
		b.spawn(func() { b.probeLater(id, true) })
	}
}

// expire notes that the run has ended, or was never opened. As a probe it is followed by another one.
func (p *passage) expire() {
	b := p.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	p.over = true
	b.conclude(p)
	if b.probe == p {
		b.probe = nil
		b.halfOpen("")
	}
}

// conclude needs the lock.
func (b *breaker) conclude(p *passage) {
	if p.known {
		return
	}
	p.known = true
	b.trials--
	if b.trials == 0 && b.quiet != nil {
		close(b.quiet)
		b.quiet = nil
	}
	p.stop() // a session that is connected keeps as little of the breaker's as can be
}

// halfOpen lets the next run through, and asks one session to be it: first, or another one that waits. It needs the lock.
func (b *breaker) halfOpen(first session.ID) {
	b.state = breakerHalfOpen
	ids := make([]session.ID, 0, len(b.held))
	for id := range b.held {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(one, other session.ID) int {
		switch {
		case one == other:
			return 0
		case one == first, other != first && one < other:
			return -1
		default:
			return 1
		}
	})
	if id, ok := b.pick(ids); ok {
		b.release([]session.ID{id})
	}
}

// probeLater looks for a version that WhatsApp takes, and then lets one session try it. Without a new version only time helps.
func (b *breaker) probeLater(first session.ID, rested bool) {
	if rested && !b.rest() {
		return
	}
	// Runs that were on their way show the version that was refused. It is not changed under them.
	if !b.drainTrials() {
		return
	}
	if changed := b.refresh(first); !changed && !rested {
		if !b.rest() {
			return
		}
		b.refresh(first)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.halfOpen(first)
	}
}

func (b *breaker) rest() bool { return pause.Sleep(b.life.Done(), b.coolDown) }

// drainTrials waits for the outcome of every run that was let through. Each has one within the session's deadline.
func (b *breaker) drainTrials() bool {
	b.mu.Lock()
	quiet := make(chan struct{})
	if b.trials == 0 {
		close(quiet)
	} else {
		b.quiet = quiet
	}
	b.mu.Unlock()
	select {
	case <-quiet:
		return b.life.Err() == nil
	case <-b.life.Done():
		return false
	}
}

func (b *breaker) refresh(id session.ID) (changed bool) {
	if b.refresher == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(b.life, refreshTimeout)
	defer cancel()
	version, changed, err := b.refresher.RefreshVersion(ctx, id)
	switch {
	case b.life.Err() != nil:
	case err != nil:
		b.log.Warn("the newest client version could not be looked up", "op", "refresh version", "code", session.CodeOf(err), "err", err)
	default:
		b.log.Info("looked up the newest client version", "op", "refresh version", "version", version, "changed", changed)
	}
	return changed
}

// spawn needs the lock.
func (b *breaker) spawn(do func()) {
	if !b.ended {
		b.work.Go(do)
	}
}

// isOpen reports whether sessions are held back.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state != breakerClosed
}

// close ends what the breaker does by itself and waits for it.
func (b *breaker) close() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.end()
	b.work.Wait()
}
