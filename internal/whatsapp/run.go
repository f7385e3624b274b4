package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"wasup/internal/session"
	"wasup/internal/whatsapp/stanzas"
)

// run is what the parts of a client share: whose run it is, the phase it is in, its context, and the goroutines that its
// end waits for.
type run struct {
	Session     session.ID
	incarnation session.Incarnation
	hand        func(session.Input) // to the session's machine
	log         *slog.Logger
	// ctx is the context of everything whatsmeow does for this run. It ends after the connection does, because whatsmeow's
	// socket races with itself when its context ends first.
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
		Session: of.Session, incarnation: of.Incarnation, hand: of.Post,
		log: log.With("session", of.Session, "incarnation", of.Incarnation),
		ctx: life, end: end, closing: make(chan struct{}), machine: newMachine(hasDevice),
	}
}

// requestContext returns the context of a request to WhatsApp that a caller waits for. It has the values and the deadline
// of the caller's context, and ends with the run. It does not end when the caller cancels: if its context ends while a
// request is being written, whatsmeow closes the channel of the answer, and an answer that comes at that moment would
// panic on the reader. When the connection ends, failRequests ends its requests first.
func (r *run) requestContext(caller context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(caller))
	if deadline, limited := caller.Deadline(); limited {
		cancel()
		ctx, cancel = context.WithDeadline(context.WithoutCancel(caller), deadline)
	}
	stop := context.AfterFunc(r.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// post tells the session's machine, unless the run's phase forbids it.
func (r *run) post(in session.Input) { r.step(runInputFor(in)) }

// step steps the machine and reports whether the run is in another phase now.
func (r *run) step(in runInput) (moved bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, posts := r.machine.step(in)
	for _, post := range posts {
		post.Incarnation = r.incarnation
		r.hand(post)
	}
	// After the posts: where one panics, the crash that is posted instead is the run's last word.
	moved = next.phase != r.machine.phase
	r.machine = next
	return moved
}

// state is a copy of the machine, for questions.
func (r *run) state() machine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine
}

// spawn runs work on a goroutine that Close waits for. After Close began nothing is spawned.
func (r *run) spawn(where string, work func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.machine.open() {
		return
	}
	r.tasks.Go(func() {
		defer r.recovered(where)
		work()
	})
}

// recovered is deferred by everything of ours that runs on a goroutine nobody else guards. whatsmeow would swallow a
// handler's panic, so it is posted: a bug is the supervisor's business.
func (r *run) recovered(where string) {
	cause := recover()
	if cause == nil {
		return
	}
	defer func() {
		if again := recover(); again != nil {
			r.log.Error("posting a crash panicked", "where", where, "err", fmt.Sprint(again))
		}
	}()
	r.post(session.Input{
		Kind: session.Crashed, Detail: crashLine(where, cause), Stack: string(debug.Stack()),
	})
}

// stuck is told of a stanza whose handling does not end. All that came after it waits, so the run is given up.
func (r *run) stuck(tag string) {
	r.post(session.Input{Kind: session.Crashed, Detail: "handling of a stanza: " + tag + " has not ended in " + stanzas.StuckAfter.String()})
}

// crashLine is one line of bounded length without numbers of people.
func crashLine(where string, cause any) string {
	const limit = 200
	reason, _, _ := strings.Cut(mask(fmt.Sprint(cause)), "\n")
	if len(reason) > limit {
		reason = strings.ToValidUTF8(reason[:limit], "") + "…"
	}
	return where + ": " + reason
}
