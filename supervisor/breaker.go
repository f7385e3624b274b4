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

// refreshTimeout bounds one lookup of the newest client version.
const refreshTimeout = 30 * time.Second

const heldBack = "held back: WhatsApp refuses this client version (405)"

// Refresher looks up which client version WhatsApp accepts.
type Refresher interface {
	// RefreshVersion looks up the newest version through the session's proxy. Clients use that version from the next
	// Open on. changed reports whether it differs from the version before.
	RefreshVersion(ctx context.Context, id session.ID) (version string, changed bool, err error)
}

// breaker is the circuit breaker between all sessions and WhatsApp. WhatsApp refuses a client version for the whole
// process, so the first refusal (405) opens the breaker. While it is open, every Open fails without a socket. The
// breaker looks up the newest version once. Then it is half-open, and one session connects as the probe. If WhatsApp
// accepts the probe, the breaker closes and the sessions that were held back connect, spread over time. If WhatsApp
// refuses the probe, the breaker stays open for the cool-down.
type breaker struct {
	session.Dialer
	refresher Refresher // nil: the version cannot be looked up, and the breaker only waits
	coolDown  time.Duration
	log       *slog.Logger
	// release sends Released to the sessions, in order, with the times at which they may connect. It must not block.
	release func(ids []session.ID)
	// pick chooses the probe among the sessions. false: none of them would connect now.
	pick func(ids []session.ID) (session.ID, bool)

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex
	state    breakerState
	probe    *trial
	held     map[session.ID]struct{}
	trials   int           // admitted runs without an outcome
	noTrials chan struct{} // closed when trials becomes 0; nil: nobody waits for that
	ended    bool
}

// breakerState is the state of a breaker.
type breakerState int

const (
	breakerClosed   breakerState = iota // every run is admitted
	breakerOpen                         // no run is admitted
	breakerHalfOpen                     // the next run is admitted, as the probe
	breakerProbing                      // no run is admitted until the probe has an outcome
)

func newBreaker(cfg Config) *breaker {
	b := &breaker{
		Dialer: cfg.Dialer, refresher: cfg.Refresher, coolDown: cfg.Policy.CoolDown, log: cfg.Log,
		held: make(map[session.ID]struct{}),
	}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

// trial is one run that was admitted. Its outcome shows whether WhatsApp accepts the version.
type trial struct {
	breaker *breaker
	run     session.Run
	known   bool        // the outcome is known, or there will be none
	over    bool        // the run has ended
	stop    func() bool // stops watching the run's context
}

// Open implements session.Dialer.
func (b *breaker) Open(ctx context.Context, run session.Run) (session.Client, error) {
	t := b.admit(ctx, run)
	if t == nil {
		return nil, &session.Error{Code: session.CodeClientOutdated, Op: "open client", Session: run.Session, Message: heldBack}
	}
	run.Post = t.post
	client, err := b.Dialer.Open(ctx, run)
	if err != nil {
		t.expire()
	}
	return client, err
}

// admit returns the trial of a run, or nil if the session is held back. A session that is held back gets its input under
// the lock, before the breaker can close: a Released that came first would have no effect.
func (b *breaker) admit(ctx context.Context, run session.Run) *trial {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == breakerOpen || b.state == breakerProbing {
		b.held[run.Session] = struct{}{}
		run.Post(session.Input{Kind: session.ClientOutdated, Incarnation: run.Incarnation, Detail: heldBack})
		return nil
	}
	t := &trial{breaker: b, run: run}
	delete(b.held, run.Session)
	if b.state == breakerHalfOpen {
		b.state, b.probe = breakerProbing, t
	}
	b.trials++
	// A run that ends with neither a login nor a refusal shows nothing about the version.
	t.stop = context.AfterFunc(ctx, t.expire)
	return t
}

// post passes an input of the run on to the session, and reads the outcome of the trial from it.
func (t *trial) post(in session.Input) {
	switch in.Kind {
	case session.SocketUp, session.QRIssued: // WhatsApp has seen the client's version by then
		t.accepted()
		t.run.Post(in)
	case session.ClientOutdated:
		t.refused(in)
	default:
		t.run.Post(in)
	}
}

func (t *trial) accepted() {
	b := t.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conclude(t)
	if b.probe != t {
		return
	}
	ids := make([]session.ID, 0, len(b.held))
	for id := range b.held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	b.state, b.probe, b.held = breakerClosed, nil, make(map[session.ID]struct{})
	b.log.Info("WhatsApp accepts the client version again", "op", "breaker", "session", t.run.Session, "released", len(ids))
	b.release(ids)
}

func (t *trial) refused(in session.Input) {
	b := t.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if !t.over {
		b.refuse(t)
	}
	t.run.Post(in)
}

// refuse handles a refused trial. Only the first refusal and that of the probe are logged: runs that were already
// connecting show nothing new. The caller holds the lock.
func (b *breaker) refuse(t *trial) {
	id := t.run.Session
	b.conclude(t)
	b.held[id] = struct{}{}
	switch {
	case b.state == breakerClosed:
		b.state = breakerOpen
		b.log.Error("WhatsApp refuses this client version (405): no session connects until a version is accepted", "op", "breaker", "session", id)
		b.spawn(func() { b.probeLater(id, false) })
	case b.probe == t:
		b.state, b.probe = breakerOpen, nil
		b.log.Error("WhatsApp still refuses this client version: the next attempt follows after the cool-down", "op", "breaker", "session", id, "wait", b.coolDown)
		b.spawn(func() { b.probeLater(id, true) })
	}
}

// expire ends a trial whose run has ended or did not open. If it was the probe, another session becomes the probe.
func (t *trial) expire() {
	b := t.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	t.over = true
	b.conclude(t)
	if b.probe == t {
		b.probe = nil
		b.halfOpen("")
	}
}

// conclude notes that the outcome of a trial is known, or that there will be none. The caller holds the lock.
func (b *breaker) conclude(t *trial) {
	if t.known {
		return
	}
	t.known = true
	b.trials--
	if b.trials == 0 && b.noTrials != nil {
		close(b.noTrials)
		b.noTrials = nil
	}
	t.stop() // frees the callback on the run's context: a connected session should hold little memory
}

// halfOpen admits the next run as the probe, and asks one session to connect: first if possible, or else another one
// that is held back. The caller holds the lock.
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

// probeLater looks up the newest version and then lets one session probe it. If the version did not change, it waits for
// the cool-down and looks it up once more before the probe. coolDownFirst makes it begin with the cool-down.
func (b *breaker) probeLater(first session.ID, coolDownFirst bool) {
	if coolDownFirst && !b.waitCoolDown() {
		return
	}
	// The version must not change while runs connect with the version that was refused.
	if !b.drainTrials() {
		return
	}
	if changed := b.refresh(first); !changed && !coolDownFirst {
		if !b.waitCoolDown() {
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

func (b *breaker) waitCoolDown() bool { return pause.Sleep(b.life.Done(), b.coolDown) }

// drainTrials waits until no trial is without an outcome. Each gets one within the session's deadline. It returns false
// if the breaker is closed meanwhile.
func (b *breaker) drainTrials() bool {
	b.mu.Lock()
	noTrials := make(chan struct{})
	if b.trials == 0 {
		close(noTrials)
	} else {
		b.noTrials = noTrials
	}
	b.mu.Unlock()
	select {
	case <-noTrials:
		return b.life.Err() == nil
	case <-b.life.Done():
		return false
	}
}

// refresh looks up the newest version over the connection of one session.
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

// spawn runs do in a goroutine that close waits for. The caller holds the lock.
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

// close ends the breaker's own goroutines and waits for them.
func (b *breaker) close() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.end()
	b.work.Wait()
}
