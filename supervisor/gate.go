package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

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

// gate is the Dialer that all sessions share. WhatsApp refuses a client version for the whole process, so after the
// first refusal (405) nobody knocks any more: the gate answers for WhatsApp, without a socket. The version is looked up
// once; then one session may try. If it is let in, everybody held back follows, each at its turn; if not, the gate
// stays shut for the cool-down.
type gate struct {
	session.Dialer
	refresher Refresher // nil: only time can help
	coolDown  time.Duration
	log       *slog.Logger
	// tell sends Released to the sessions, in order, at their turns. It must not block.
	tell func(ids []session.ID)
	// eager picks one of the sessions that would connect now.
	eager func(ids []session.ID) (session.ID, bool)

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	state  gateState
	probe  *passage
	held   map[session.ID]struct{}
	trials int           // passages of which nothing is known yet
	quiet  chan struct{} // closed when trials comes to 0; nil: nobody waits for that
	ended  bool
}

// gateState is how a gate stands.
type gateState int

const (
	gateOpen    gateState = iota // everybody passes
	gateShut                     // nobody passes
	gateAjar                     // the next one passes, as the probe
	gateProbing                  // nobody passes until the probe's outcome is known
)

func newGate(cfg Config) *gate {
	g := &gate{
		Dialer: cfg.Dialer, refresher: cfg.Refresher, coolDown: cfg.Policy.CoolDown, log: cfg.Log,
		held: make(map[session.ID]struct{}),
	}
	g.life, g.end = context.WithCancel(context.Background())
	return g
}

// passage is one run that was let through. Its outcome tells whether WhatsApp takes the version.
type passage struct {
	gate  *gate
	run   session.Run
	known bool        // its outcome, or that it has none
	over  bool        // the run has ended
	stop  func() bool // stops watching the run's context
}

// Open implements session.Dialer.
func (g *gate) Open(ctx context.Context, run session.Run) (session.Client, error) {
	p := g.admit(ctx, run)
	if p == nil {
		return nil, &session.Error{Code: session.CodeClientOutdated, Op: "open client", Session: run.Session, Message: heldBack}
	}
	run.Post = p.post
	client, err := g.Dialer.Open(ctx, run)
	if err != nil {
		p.lapse()
	}
	return client, err
}

// admit lets a run through, or holds its session back. Whoever is held back is told under the lock, before the gate can
// open: a release that came first would be lost on it.
func (g *gate) admit(ctx context.Context, run session.Run) *passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == gateShut || g.state == gateProbing {
		g.held[run.Session] = struct{}{}
		run.Post(session.Input{Kind: session.ClientOutdated, Incarnation: run.Incarnation, Detail: heldBack})
		return nil
	}
	p := &passage{gate: g, run: run}
	delete(g.held, run.Session)
	if g.state == gateAjar {
		g.state, g.probe = gateProbing, p
	}
	g.trials++
	// A run that ends with neither a login nor a refusal says nothing of the version.
	p.stop = context.AfterFunc(ctx, p.lapse)
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
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(p)
	if g.probe != p {
		return
	}
	ids := make([]session.ID, 0, len(g.held))
	for id := range g.held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	g.state, g.probe, g.held = gateOpen, nil, make(map[session.ID]struct{})
	g.log.Info("WhatsApp accepts the client again", "op", "gate", "session", p.run.Session, "released", len(ids))
	g.tell(ids)
}

func (p *passage) refused(in session.Input) {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.over {
		g.refuse(p)
	}
	p.run.Post(in)
}

// refuse needs the lock. Only the first refusal is told; those of runs that were on their way add nothing.
func (g *gate) refuse(p *passage) {
	id := p.run.Session
	g.settle(p)
	g.held[id] = struct{}{}
	switch {
	case g.state == gateOpen:
		g.state = gateShut
		g.log.Error("WhatsApp refuses this client version (405): nothing connects until one is accepted", "op", "gate", "session", id)
		g.spawn(func() { g.mend(id, false) })
	case g.probe == p:
		g.state, g.probe = gateShut, nil
		g.log.Error("WhatsApp still refuses this client: the next try is after the cool-down", "op", "gate", "session", id, "wait", g.coolDown)
		g.spawn(func() { g.mend(id, true) })
	}
}

// lapse notes that the run has ended, or was never opened. As a probe it is followed by another one.
func (p *passage) lapse() {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	p.over = true
	g.settle(p)
	if g.probe == p {
		g.probe = nil
		g.ajar("")
	}
}

// settle needs the lock.
func (g *gate) settle(p *passage) {
	if p.known {
		return
	}
	p.known = true
	g.trials--
	if g.trials == 0 && g.quiet != nil {
		close(g.quiet)
		g.quiet = nil
	}
	p.stop() // a session that is connected keeps as little of the gate's as can be
}

// ajar lets the next run through, and asks one session to be it: first, or another one that waits. It needs the lock.
func (g *gate) ajar(first session.ID) {
	g.state = gateAjar
	ids := make([]session.ID, 0, len(g.held))
	for id := range g.held {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b session.ID) int {
		switch {
		case a == b:
			return 0
		case a == first, b != first && a < b:
			return -1
		default:
			return 1
		}
	})
	if id, ok := g.eager(ids); ok {
		g.tell([]session.ID{id})
	}
}

// mend looks for a version that WhatsApp takes, and then lets one session try it. Without a new version only time helps.
func (g *gate) mend(first session.ID, rested bool) {
	if rested && !g.rest() {
		return
	}
	// Runs that were on their way show the version that was refused. It is not changed under them.
	if !g.quieten() {
		return
	}
	if changed := g.refresh(first); !changed && !rested {
		if !g.rest() {
			return
		}
		g.refresh(first)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.ajar(first)
	}
}

func (g *gate) rest() bool {
	timer := time.NewTimer(g.coolDown)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-g.life.Done():
		return false
	}
}

// quieten waits for the outcome of every run that was let through. Each has one within the session's deadline.
func (g *gate) quieten() bool {
	g.mu.Lock()
	quiet := make(chan struct{})
	if g.trials == 0 {
		close(quiet)
	} else {
		g.quiet = quiet
	}
	g.mu.Unlock()
	select {
	case <-quiet:
		return g.life.Err() == nil
	case <-g.life.Done():
		return false
	}
}

func (g *gate) refresh(id session.ID) (changed bool) {
	if g.refresher == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(g.life, refreshTimeout)
	defer cancel()
	version, changed, err := g.refresher.RefreshVersion(ctx, id)
	switch {
	case g.life.Err() != nil:
	case err != nil:
		g.log.Warn("the newest client version could not be looked up", "op", "refresh version", "code", session.CodeOf(err), "err", err)
	default:
		g.log.Info("looked up the newest client version", "op", "refresh version", "version", version, "changed", changed)
	}
	return changed
}

// spawn needs the lock.
func (g *gate) spawn(do func()) {
	if !g.ended {
		g.work.Go(do)
	}
}

// shut reports whether sessions are held back.
func (g *gate) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state != gateOpen
}

// close ends what the gate does by itself and waits for it.
func (g *gate) close() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	g.end()
	g.work.Wait()
}
