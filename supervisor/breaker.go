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

const (
	// refreshTimeout bounds one lookup of the newest client version.
	refreshTimeout = 30 * time.Second
	// firstProbePause is the pause before the first probe. WhatsApp has refused single logins by mistake, and then nobody
	// should wait. The pause doubles with each probe that is refused, up to the cool-down.
	firstProbePause = 5 * time.Second
	// longestAskedPause is the longest pause between two probes for people who ask for a code. It also bounds how often a
	// program that asks in a loop makes WhatsApp refuse a login.
	longestAskedPause = time.Minute
)

const heldBack = "held back: WhatsApp refuses this client version (405)"

// Refresher looks up which client version WhatsApp accepts.
type Refresher interface {
	// RefreshVersion looks up the newest version through the session's proxy. Clients use that version from the next
	// Open on. changed reports whether it differs from the version before.
	RefreshVersion(ctx context.Context, id session.ID) (version string, changed bool, err error)
}

// breaker is the circuit breaker between all sessions and WhatsApp. WhatsApp refuses a client version for the whole
// process, so the first refusal (405) opens the breaker. While it is open, every Open fails without a socket. The
// breaker looks up the newest version. If it is another one, or else after a pause, it is half-open, and one session
// connects as the probe. If WhatsApp accepts the probe, the breaker closes and the sessions that were held back connect,
// spread over time. If WhatsApp refuses the probe, the breaker stays open for a longer pause. During a pause a session
// that a person has asked for may be the probe too.
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
	refusals int       // since the breaker opened
	refused  time.Time // the last one
	plan     *plan     // of the next probe; nil: none is planned, because the breaker is closed or the probe runs
	held     map[session.ID]struct{}
	trials   int           // admitted runs without an outcome
	noTrials chan struct{} // closed when trials becomes 0; nil: nobody waits for that
	ended    bool
}

// plan is the plan to let a session be the probe later. The breaker's lock guards pausing and due.
type plan struct {
	life    context.Context
	cancel  context.CancelFunc
	pausing bool      // nothing happens until due
	due     time.Time // of the probe
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
	if b.state == breakerProbing || b.state == breakerOpen && !(run.Attended && b.mayAsk()) {
		b.held[run.Session] = struct{}{}
		run.Post(session.Input{Kind: session.ClientOutdated, Incarnation: run.Incarnation, Detail: heldBack})
		return nil
	}
	t := &trial{breaker: b, run: run}
	delete(b.held, run.Session)
	if b.state != breakerClosed {
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
	if b.plan != nil {
		b.plan.cancel()
		b.plan = nil
	}
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
	if b.state != breakerClosed && b.probe != t {
		return
	}
	first := b.state == breakerClosed
	b.state, b.probe, b.refused = breakerOpen, nil, time.Now()
	b.refusals++
	if first {
		b.refusals = 1
		b.log.Error("WhatsApp refuses this client version (405): no session connects until a version is accepted", "op", "breaker", "session", id)
	} else {
		b.log.Error("WhatsApp still refuses this client version", "op", "breaker", "session", id, "refusals", b.refusals)
	}
	if b.plan == nil { // otherwise the probe was a person's, and the one that is planned follows
		p := &plan{}
		p.life, p.cancel = context.WithCancel(b.life)
		b.plan = p
		b.spawn(func() { b.probeLater(p, id, first) })
	}
}

// mayAsk reports whether a session that a person has asked for may be the probe now. The version must not be looked up at
// the same moment. The caller holds the lock.
func (b *breaker) mayAsk() bool {
	return b.plan != nil && b.plan.pausing && !time.Now().Before(b.askedDue())
}

// askedDue is the time from which a session that a person has asked for may be the probe. The caller holds the lock.
func (b *breaker) askedDue() time.Time {
	return b.refused.Add(session.Backoff{First: firstProbePause, Longest: longestAskedPause}.Step(b.refusals))
}

// nextAsked returns after how long a person's request may be the probe, or is at the latest preceded by another probe.
func (b *breaker) nextAsked() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := b.askedDue()
	if b.plan != nil && b.plan.pausing && b.plan.due.Before(due) {
		due = b.plan.due
	}
	return max(time.Second, time.Until(due))
}

// expire ends a trial whose run has ended or did not open. If it was the probe, another session becomes the probe.
func (t *trial) expire() {
	b := t.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	t.over = true
	b.conclude(t)
	if b.probe != t {
		return
	}
	b.probe = nil
	if b.plan != nil { // the probe was a person's, and the one that is planned follows
		b.state = breakerOpen
		return
	}
	b.halfOpen("")
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

// probeLater looks up the newest version and then lets one session probe it. Unless the version has just been refused for
// the first time and has changed, it first waits for the pause, and then looks it up once more.
func (b *breaker) probeLater(p *plan, id session.ID, first bool) {
	defer p.cancel()
	changed := false
	if first {
		// The version must not change while runs connect with the version that was refused.
		if !b.drainTrials(p) {
			return
		}
		changed = b.refresh(p, id)
	}
	if !changed {
		if !b.pause(p) || !b.drainTrials(p) {
			return
		}
		b.refresh(p, id)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.plan == p && !b.ended { // a person's probe that was accepted meanwhile has ended the plan
		b.plan = nil
		b.halfOpen(id)
	}
}

// pause waits for the pause after the last refusal. It returns false if the plan is cancelled meanwhile.
func (b *breaker) pause(p *plan) bool {
	b.mu.Lock()
	length := session.Backoff{First: firstProbePause, Longest: b.coolDown}.Step(b.refusals)
	p.pausing, p.due = true, time.Now().Add(length)
	b.mu.Unlock()
	slept := pause.Sleep(p.life.Done(), length)
	b.mu.Lock()
	p.pausing = false
	b.mu.Unlock()
	return slept
}

// drainTrials waits until no trial is without an outcome. Each gets one within the session's deadline. It returns false
// if the plan is cancelled meanwhile.
func (b *breaker) drainTrials(p *plan) bool {
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
		return p.life.Err() == nil
	case <-p.life.Done():
		return false
	}
}

// refresh looks up the newest version over the connection of one session.
func (b *breaker) refresh(p *plan, id session.ID) (changed bool) {
	if b.refresher == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(p.life, refreshTimeout)
	defer cancel()
	version, changed, err := b.refresher.RefreshVersion(ctx, id)
	switch {
	case p.life.Err() != nil:
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
