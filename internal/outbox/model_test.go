package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// life is one process on the ledger. Once it is dead, its goroutines reach neither the ledger nor WhatsApp, as after
// kill -9.
type life struct {
	*memory
	*world
	dead atomic.Bool
}

var errDead = &session.Error{Code: session.CodeStoreUnavailable, Message: "killed"}

func (l *life) Enqueue(ctx context.Context, e Entry, keysFrom time.Time) (Entry, bool, error) {
	if l.dead.Load() {
		return Entry{}, false, errDead
	}
	return l.memory.Enqueue(ctx, e, keysFrom)
}

func (l *life) Next(ctx context.Context, id session.ID, now time.Time, limit int) ([]Entry, time.Time, error) {
	if l.dead.Load() {
		return nil, time.Time{}, errDead
	}
	return l.memory.Next(ctx, id, now, limit)
}

func (l *life) Advance(ctx context.Context, changes ...Change) ([]bool, error) {
	if l.dead.Load() {
		return nil, errDead
	}
	return l.memory.Advance(ctx, changes...)
}

func (l *life) Discard(ctx context.Context, id session.ID, messageID string) (bool, error) {
	if l.dead.Load() {
		return false, errDead
	}
	return l.memory.Discard(ctx, id, messageID)
}

func (l *life) Send(ctx context.Context, id session.ID, m message.Outgoing) (message.Ack, error) {
	if l.dead.Load() {
		return message.Ack{}, errDead
	}
	return l.world.Send(ctx, id, m)
}

// world holds what survives the processes: the ledger, WhatsApp, and the answers that callers got.
type world struct {
	ledger *memory

	mu       sync.Mutex
	ready    bool
	calm     bool // every message is acknowledged
	answers  chan answer
	arrived  []string            // message ids in the order in which WhatsApp got them
	promised []string            // ids in the order in which they were accepted
	keys     map[string]string   // message id that a caller got for a key
	undone   map[string]struct{} // ids whose cancellation was confirmed
	again    map[string]struct{} // ids that were requeued, which may leave out of order
	given    map[string]struct{} // texts whose senders were told that they do not leave any more
	texts    int                 // texts sent so far

	told  sync.Mutex
	wrong []string
}

func (w *world) Ready(session.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready
}

func (w *world) Returns(session.ID, time.Time) bool { return true }

func (w *world) AwaitReady(_ context.Context, id session.ID) bool { return w.Ready(id) }

func (w *world) breaks(format string, args ...any) {
	w.told.Lock()
	defer w.told.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *world) Send(ctx context.Context, _ session.ID, m message.Outgoing) (message.Ack, error) {
	w.ledger.mu.Lock()
	e := w.ledger.byID("51", m.ID)
	switch {
	case e == nil:
		w.breaks("%s was sent and is not in the ledger", m.ID)
	case e.State != message.Sending && e.AckedAt.IsZero(): // a receipt may come between its turn and its mark
		w.breaks("%s was sent while it was %s", m.ID, e.State)
	}
	w.ledger.mu.Unlock()
	w.mu.Lock()
	calm := w.calm
	if _, over := w.given[m.Content.Text]; over {
		w.breaks("%s was sent after its sender was told that it does not leave any more", m.ID)
	}
	w.mu.Unlock()
	a := answer{ack: message.Ack{At: serverTime}}
	if !calm {
		select {
		case a = <-w.answers:
		case <-ctx.Done():
			a = answer{err: &session.Error{Code: session.CodeAckOverdue}}
		}
	}
	if verdictOf(a.err) == neverLeft {
		return a.ack, a.err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, cancelled := w.undone[m.ID]; cancelled {
		w.breaks("%s was sent after it was cancelled", m.ID)
	}
	w.arrived = append(w.arrived, m.ID)
	return a.ack, a.err
}

// step is one event of the test. pick chooses its key, message, error or duration.
type step struct {
	what string
	pick int
}

func steps() *rapid.Generator[[]step] {
	kinds := []string{
		"enqueue", "enqueue", "enqueue", "send text", "answer", "answer", "answer", "lose", "refuse", "not yet", "kill", "stop", "cancel",
		"requeue", "down", "up", "up", "break", "mend", "wait", "receipt",
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom(kinds).Draw(t, "what"), rapid.IntRange(0, 9).Draw(t, "pick")}
	}), 1, 60)
}

// player carries out steps.
type player struct {
	*world
	t       *testing.T
	box     *Outbox
	process *life
	options Options
}

func (p *player) start() {
	p.process = &life{memory: p.ledger, world: p.world}
	p.box = New(p.process, p.options)
	p.ledger.breakWith(nil)
	if err := p.box.Start(p.t.Context(), p.process); err != nil {
		p.breaks("start: %v", err)
	}
}

// end ends the process: as kill -9 does, or by Stop without time to wait.
func (p *player) end(kill bool) {
	p.process.dead.Store(kill)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.box.Stop(ctx)
	synctest.Wait()
}

func (p *player) accept(messageID, key string, existed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, known := p.keys[key]; known && before != messageID {
		p.breaks("key %s was answered with %s, then with %s", key, before, messageID)
	}
	p.keys[key] = messageID
	if !existed && !slices.Contains(p.promised, messageID) {
		p.promised = append(p.promised, messageID)
	}
}

func (p *player) is(ready bool) {
	p.mu.Lock()
	p.ready = ready
	p.mu.Unlock()
	p.box.SessionChanged("51", map[bool]session.State{true: session.Ready, false: session.Reconnecting}[ready], session.CauseNone)
}

func (p *player) give(err error) {
	select {
	case p.answers <- answer{ack: message.Ack{At: serverTime}, err: err}:
	default:
	}
}

func (p *player) play(s step) {
	chosen := ""
	if p.mu.Lock(); len(p.promised) > 0 {
		chosen = p.promised[s.pick%len(p.promised)]
	}
	p.mu.Unlock()
	switch s.what {
	case "enqueue":
		key := fmt.Sprint("k", s.pick)
		if m, existed, err := p.box.Enqueue(p.t.Context(), request(key)); err == nil {
			p.accept(m.ID, key, existed)
		}
	case "send text":
		p.sendText(s.pick)
	case "answer":
		p.give(nil)
	case "lose":
		p.give(&session.Error{Code: []session.Code{session.CodeDisconnected, session.CodeAckOverdue, session.CodeStoreLocked}[s.pick%3]})
	case "refuse":
		p.give(&session.Error{Code: session.CodeSendFailed, Status: 479})
	case "not yet":
		p.give(&session.Error{Code: session.CodeNotReady})
	case "kill", "stop":
		p.end(s.what == "kill")
		p.start()
	case "cancel":
		if m, err := p.box.Cancel(p.t.Context(), "51", chosen); err == nil && m.State == message.Cancelled {
			p.mu.Lock()
			p.undone[chosen] = struct{}{}
			p.mu.Unlock()
		}
	case "requeue":
		if _, err := p.box.Requeue(p.t.Context(), "51", chosen); err == nil {
			p.mu.Lock()
			p.again[chosen] = struct{}{}
			p.mu.Unlock()
		}
	case "down", "up":
		p.is(s.what == "up")
	case "break":
		p.ledger.breakWith(&session.Error{Code: session.CodeStoreFull})
	case "mend":
		p.ledger.breakWith(nil)
	case "wait":
		time.Sleep(time.Duration(s.pick*s.pick) * time.Second)
	case "receipt":
		if slices.Contains(p.arrived, chosen) {
			_ = p.box.Receipt(p.t.Context(), "51", events.ReceiptData{IDs: []string{chosen}, Status: "delivered", At: serverTime})
		}
	}
	synctest.Wait()
}

// sendText sends a text. With an odd pick the text has a key that others use, too.
func (p *player) sendText(pick int) {
	p.mu.Lock()
	p.texts++
	q := request("")
	q.Content = message.TextOf(fmt.Sprint("text ", p.texts))
	p.mu.Unlock()
	if pick%2 == 1 {
		q = request(fmt.Sprint("t", pick))
	}
	box, process := p.box, p.process
	go func() {
		ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
		defer cancel()
		_, err := box.SendText(ctx, q)
		p.ledger.mu.Lock()
		failing := p.ledger.fail != nil // then only the time limit keeps the message here
		p.ledger.mu.Unlock()
		if err != nil && q.Key == "" && !process.dead.Load() && !failing {
			p.mu.Lock()
			p.given[q.Content.Text] = struct{}{}
			p.mu.Unlock()
		}
	}()
}

// settle repairs everything and lets it run for a day.
func (p *player) settle() {
	p.ledger.breakWith(nil)
	p.mu.Lock()
	p.calm = true
	p.mu.Unlock()
	for range 20 {
		p.give(nil) // for attempts that still wait for an answer
	}
	p.is(true)
	time.Sleep(24 * time.Hour)
	synctest.Wait()
}

func (p *player) verdict() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range p.promised {
		e := p.ledger.byID("51", id)
		switch {
		case e == nil:
			p.breaks("%s was accepted and is lost", id)
		case e.Open():
			p.breaks("%s is still %s", id, e.State)
		case e.State.Reached(message.ServerAck) && e.State != message.Failed && e.State != message.Cancelled &&
			!slices.Contains(p.arrived, id):
			p.breaks("%s is %s and never arrived", id, e.State)
		}
	}
	last := -1
	for n, id := range p.arrived {
		at := slices.Index(p.promised, id)
		if _, again := p.again[id]; again || at < 0 || slices.Contains(p.arrived[:n], id) {
			continue
		}
		if at < last {
			p.breaks("%s arrived after one that was accepted later", id)
		}
		last = at
	}
	if s := p.box.Stats(); s.Open != 0 {
		p.breaks("%d messages count as open", s.Open)
	}
	return p.wrong
}

func TestWhateverHappensNothingIsLostDoubledOrOvertaken(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := steps().Draw(rt, "steps")
		window := rapid.IntRange(1, 3).Draw(rt, "window")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			p := &player{t: t, options: Options{Window: window, MaxAttempts: -1, Retention: 100 * 24 * time.Hour}, world: &world{
				ledger: &memory{}, ready: true, answers: make(chan answer, 100), keys: map[string]string{},
				undone: map[string]struct{}{}, again: map[string]struct{}{}, given: map[string]struct{}{},
			}}
			p.start()
			for _, s := range list {
				p.play(s)
			}
			p.settle()
			p.end(false)
			wrong = p.verdict()
		})
		if len(wrong) > 0 {
			rt.Fatalf("%v", wrong)
		}
	})
}
