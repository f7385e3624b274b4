package outbox

import (
	"context"
	"math/rand/v2"
	"time"

	"wasup/internal/session"
)

// pageSize bounds how many messages of one lane are in memory.
const pageSize = 32

// shortWait is the longest pause that a lane's goroutine sleeps through; for longer ones it ends, and a timer starts the
// next one.
const shortWait = 5 * time.Second

// lane is what one session has to send. It exists while there is something; the outbox's lock guards it, but for what
// belongs to its goroutine.
type lane struct {
	id      session.ID
	open    int       // unfinished messages, and reservations
	oldest  time.Time // when the first one was accepted, or became due; zero: unknown
	unsure  bool      // something may have been stored that nobody counted
	working bool      // a goroutine runs
	again   bool      // it was nudged since it last looked
	gone    bool      // the session was deleted
	paused  time.Time // nothing leaves before then
	timer   *time.Timer
	fresh   *Entry              // the only open message, which therefore need not be read
	marked  map[string]struct{} // messages that are being sent, or will be next

	head string // the message whose attempts failed last; only the goroutine changes it

	// Of the goroutine, and of the one after it.
	fails     int // how often in a row
	notBefore time.Time
}

// lane gives a session's lane; the lock is held.
func (o *Outbox) lane(id session.ID) *lane {
	l := o.lanes[id]
	if l == nil {
		l = &lane{id: id}
		o.lanes[id] = l
	}
	return l
}

// tidy drops a lane that has nothing to do; the lock is held.
func (o *Outbox) tidy(l *lane) {
	if l.open <= 0 && !l.working && !l.unsure && o.lanes[l.id] == l {
		l.disarm()
		delete(o.lanes, l.id)
	}
}

func (l *lane) disarm() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// nudge makes a lane look for something to send.
func (o *Outbox) nudge(id session.ID) {
	ready := o.sender.Ready(id)
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[id]
	if l == nil || o.closing || o.halted {
		return
	}
	l.again = true
	if l.working || !ready || time.Now().Before(l.paused) {
		return
	}
	l.working = true
	l.disarm()
	o.owned.Add(1)
	go o.work(l)
}

// work sends what is due until there is nothing more or the session cannot send.
func (o *Outbox) work(l *lane) {
	defer o.owned.Done()
	broken := 0
	for o.goOn(l) {
		page, due, err := o.next(l)
		switch {
		case err != nil:
			broken++
			o.options.Logger.Warn("messages to send could not be read", "session", l.id, "code", session.CodeOf(err), "err", err)
			o.sleep(storePause(broken))
		case len(page) == 0:
			if o.rest(l, due) {
				return
			}
		default:
			broken = 0
			o.see(l, &page[0])
			if until := o.drain(l, page); !until.IsZero() {
				o.pause(l, until)
				return
			}
		}
	}
}

// next gives what the lane has to send. Where everything it has is known already, nobody asks the ledger.
func (o *Outbox) next(l *lane) (page []Entry, due time.Time, err error) {
	o.mu.Lock()
	fresh, none := l.fresh, l.open <= 0 && !l.unsure
	l.fresh = nil
	o.mu.Unlock()
	switch {
	case fresh != nil:
		return []Entry{*fresh}, time.Time{}, nil
	case none:
		return nil, time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(o.base, o.options.StoreTimeout)
	defer cancel()
	return o.ledger.Next(ctx, l.id, time.Now(), pageSize)
}

// goOn decides whether the lane's goroutine looks again, and ends its work where it does not.
func (o *Outbox) goOn(l *lane) bool {
	for {
		o.mu.Lock()
		l.again = false
		over := o.closing || o.halted || l.gone
		o.mu.Unlock()
		if !over && o.sender.Ready(l.id) {
			return true
		}
		o.mu.Lock()
		// Who nudged meanwhile relies on this goroutine.
		if over || !l.again {
			l.working = false
			o.tidy(l)
			o.mu.Unlock()
			return false
		}
		o.mu.Unlock()
	}
}

// see notes the oldest message of a lane.
func (o *Outbox) see(l *lane, first *Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.oldest = later(first.CreatedAt, first.SendAt)
}

// rest ends the lane's work until something new comes or the time is there.
func (o *Outbox) rest(l *lane, due time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.again {
		return false
	}
	l.working, l.unsure, l.oldest = false, false, due
	o.arm(l, due)
	o.tidy(l)
	return true
}

// pause ends the lane's work until a time, whatever comes: its messages leave in their order, and the first one waits.
func (o *Outbox) pause(l *lane, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.working, l.paused = false, until
	o.arm(l, until)
}

// arm lets a timer nudge the lane; the lock is held.
func (o *Outbox) arm(l *lane, at time.Time) {
	l.disarm()
	if at.IsZero() || l.gone || o.closing {
		return
	}
	id := l.id
	l.timer = time.AfterFunc(max(0, time.Until(at)), func() { o.nudge(id) })
}

// drain sends a page, one message after the other. It stops where one of them has to be tried again, and where the first
// one has to wait: until says how long.
func (o *Outbox) drain(l *lane, page []Entry) (until time.Time) {
	var owed []outcome // what is not stored yet: it is, with the beginning of the next message
	for len(page) > 0 && o.maySend(l) {
		if pause := o.hold(l, &page[0]); pause > 0 {
			if !o.store(owed) {
				return time.Time{}
			}
			owed = nil
			if pause > shortWait {
				return time.Now().Add(pause)
			}
			o.sleep(pause)
			continue
		}
		batch := page[:min(len(page), o.window())]
		page = page[len(batch):]
		o.mark(l, batch, owed)
		var stop bool
		if owed, stop = o.deliver(l, batch, owed); stop {
			break
		}
	}
	o.store(owed)
	o.mark(l, nil, nil)
	return time.Time{}
}

// window is how many messages are marked at a time: one where each may have to wait for its turn.
func (o *Outbox) window() int {
	if o.paced() {
		return 1
	}
	return o.options.Window
}

func (o *Outbox) maySend(l *lane) bool {
	o.mu.Lock()
	over := o.closing || o.halted || l.gone
	o.mu.Unlock()
	return !over && o.sender.Ready(l.id)
}

// mark notes what is being sent, so that nobody lets it run out meanwhile.
func (o *Outbox) mark(l *lane, batch []Entry, owed []outcome) {
	marked := make(map[string]struct{}, len(batch)+len(owed))
	for i := range batch {
		marked[batch[i].ID] = struct{}{}
	}
	for i := range owed {
		marked[owed[i].change.ID] = struct{}{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l.marked = marked
}

// sleep pauses until the time is over or the outbox closes.
func (o *Outbox) sleep(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.closed:
	}
}

// storePause is the wait after so many failures of the ledger in a row.
func storePause(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures, 8), 5*time.Second)
}

// ownPause is the longest pause before a retry where this process was at fault and not the message.
const ownPause = 10 * time.Second

// failed puts the next attempt of a message off. The first retry waits for nothing but the session: a lost connection is
// rarely the message's fault.
func (o *Outbox) failed(l *lane, messageID string, longest time.Duration) {
	if l.head != messageID {
		o.mu.Lock() // closeOne looks at it
		l.head = messageID
		o.mu.Unlock()
		l.fails = 0
	}
	l.fails++
	if l.fails == 1 {
		l.notBefore = time.Time{}
		return
	}
	step := max(1, min(o.options.RetryMin<<min(l.fails-2, 20), longest))
	l.notBefore = time.Now().Add(step/2 + rand.N(step/2+1))
}
