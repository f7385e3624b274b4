package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"wasup/internal/session"
	"wasup/internal/whatsapp/masking"
	"wasup/internal/whatsapp/stanzas"
)

// run is the state that the parts of a client share: its session and incarnation, its phase, its context, and the
// goroutines that its end waits for.
type run struct {
	Session       session.ID
	incarnation   session.Incarnation
	postToMachine func(session.Input) // posts an input to the session's machine
	log           *slog.Logger
	// ctx is the context of everything that whatsmeow does for this run. It ends after the connection does: if its context
	// ends first, whatsmeow's socket has a data race.
	ctx     context.Context
	end     context.CancelFunc
	closing chan struct{} // closed when Close begins
	tasks   sync.WaitGroup

	mu      sync.Mutex
	machine machine
}

func newRun(ctx context.Context, of session.Run, hasDevice bool, log *slog.Logger) *run {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	return &run{
		Session: of.Session, incarnation: of.Incarnation, postToMachine: of.Post,
		log: log.With("session", of.Session, "incarnation", of.Incarnation),
		ctx: life, end: end, closing: make(chan struct{}), machine: newMachine(hasDevice),
	}
}

// cancelGrace is how long a request to WhatsApp goes on after its caller has cancelled it.
const cancelGrace = 2 * time.Second

// requestContext returns the context of a request to WhatsApp that a caller waits for. It has the values and the deadline
// of the caller's context, but ends cancelGrace after the caller has cancelled. If a context ends while whatsmeow writes a
// request, whatsmeow closes the channel of the answer, and an answer that comes at that moment would panic on the reader.
// Most callers cancel because the connection ends, and then failRequests ends the request within the grace.
func requestContext(caller context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(caller))
	if deadline, limited := caller.Deadline(); limited {
		cancel()
		ctx, cancel = context.WithDeadline(context.WithoutCancel(caller), deadline)
	}
	stop := context.AfterFunc(caller, func() { time.AfterFunc(cancelGrace, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

// post posts an input to the session's machine, if the run's phase allows it.
func (r *run) post(in session.Input) { r.step(runInputFor(in)) }

// step steps the run's machine and reports whether the phase changed.
func (r *run) step(in runInput) (moved bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, posts := r.machine.step(in)
	for _, post := range posts {
		post.Incarnation = r.incarnation
		r.postToMachine(post)
	}
	// Change the machine after the posts: if a post panics, the crash that is posted then is the run's last word.
	moved = next.phase != r.machine.phase
	r.machine = next
	return moved
}

// state returns a copy of the run's machine.
func (r *run) state() machine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine
}

// spawn runs work on a goroutine that Close waits for. It does nothing, and returns false, once Close has begun.
func (r *run) spawn(where string, work func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.machine.open() {
		return false
	}
	r.tasks.Go(func() {
		defer r.recovered(where)
		work()
	})
	return true
}

// recovered recovers a panic and posts it as a crash. It is deferred in all our code on goroutines that nobody else
// guards. whatsmeow would swallow a handler's panic, but a bug must reach the supervisor.
func (r *run) recovered(where string) {
	cause := recover()
	if cause == nil {
		return
	}
	defer func() {
		if again := recover(); again != nil {
			r.log.Error("a panic while posting a crash", "where", where, "err", fmt.Sprint(again))
		}
	}()
	r.post(session.Input{
		Kind: session.Crashed, Detail: masking.CrashLine(where, cause), Stack: string(debug.Stack()),
	})
}

// stuck posts a crash if the handling of a stanza does not end: all later stanzas wait for it, so the run is given up.
func (r *run) stuck(tag string) {
	r.post(session.Input{Kind: session.Crashed, Detail: "handling of a stanza: " + tag + " has not ended in " + stanzas.StuckAfter.String()})
}
