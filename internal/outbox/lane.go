package outbox

import (
	"context"
	"math/rand/v2"
	"time"

	"wasup/internal/pause"
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
	box     *Outbox
	id      session.ID
	open    int       // unfinished messages, and reservations
	oldest  time.Time // when the first one was accepted, or became due; zero: unknown
	unsure  bool      // something may have been stored that nobody counted
	working bool      // a goroutine runs
	again   bool      // it was woken since it last looked
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
		l = &lane{box: o, id: id}
		o.lanes[id] = l
	}
	return l
}

// collect drops a lane that has nothing to do; the lock is held.
func (l *lane) collect() {
	if l.open <= 0 && !l.working && !l.unsure && l.box.lanes[l.id] == l {
		l.disarm()
		delete(l.box.lanes, l.id)
	}
}

func (l *lane) disarm() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// wake makes a lane look for something to send.
func (o *Outbox) wake(id session.ID) {
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
	go l.work()
}

// work sends what is due until there is nothing more or the session cannot send.
func (l *lane) work() {
	defer l.box.owned.Done()
	broken := 0
	for l.goOn() {
		page, due, err := l.next()
		switch {
		case err != nil:
			broken++
			l.box.options.Logger.Warn("messages to send could not be read", "session", l.id, "code", session.CodeOf(err), "err", err)
			pause.Sleep(l.box.closed, storePause(broken))
		case len(page) == 0:
			if l.rest(due) {
				return
			}
		default:
			broken = 0
			l.observeOldest(&page[0])
			if until := l.drain(page); !until.IsZero() {
				l.pause(until)
				return
			}
		}
	}
}

// next gives what the lane has to send. Where everything it has is known already, nobody asks the ledger.
func (l *lane) next() (page []Entry, due time.Time, err error) {
	l.box.mu.Lock()
	fresh, none := l.fresh, l.open <= 0 && !l.unsure
	l.fresh = nil
	l.box.mu.Unlock()
	switch {
	case fresh != nil:
		return []Entry{*fresh}, time.Time{}, nil
	case none:
		return nil, time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(l.box.base, l.box.options.StoreTimeout)
	defer cancel()
	return l.box.ledger.Next(ctx, l.id, time.Now(), pageSize)
}

// goOn decides whether the lane's goroutine looks again, and ends its work where it does not.
func (l *lane) goOn() bool {
	for {
		l.box.mu.Lock()
		l.again = false
		over := l.box.closing || l.box.halted || l.gone
		l.box.mu.Unlock()
		if !over && l.box.sender.Ready(l.id) {
			return true
		}
		l.box.mu.Lock()
		// Who woken meanwhile relies on this goroutine.
		if over || !l.again {
			l.working = false
			l.collect()
			l.box.mu.Unlock()
			return false
		}
		l.box.mu.Unlock()
	}
}

// observeOldest notes the oldest message of a lane.
func (l *lane) observeOldest(first *Entry) {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.oldest = later(first.CreatedAt, first.SendAt)
}

// rest ends the lane's work until something new comes or the time is there.
func (l *lane) rest(due time.Time) bool {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	if l.again {
		return false
	}
	l.working, l.unsure, l.oldest = false, false, due
	l.arm(due)
	l.collect()
	return true
}

// pause ends the lane's work until a time, whatever comes: its messages leave in their order, and the first one waits.
func (l *lane) pause(until time.Time) {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.working, l.paused = false, until
	l.arm(until)
}

// arm lets a timer wake the lane; the lock is held.
func (l *lane) arm(at time.Time) {
	l.disarm()
	if at.IsZero() || l.gone || l.box.closing {
		return
	}
	id := l.id
	l.timer = time.AfterFunc(max(0, time.Until(at)), func() { l.box.wake(id) })
}

// drain sends a page, one message after the other. It stops where one of them has to be tried again, and where the first
// one has to wait: until says how long.
func (l *lane) drain(page []Entry) (until time.Time) {
	var owed []outcome // what is not stored yet: it is, with the beginning of the next message
	for len(page) > 0 && l.maySend() {
		if wait := l.pauseBefore(&page[0]); wait > 0 {
			if !l.box.store(owed) {
				return time.Time{}
			}
			owed = nil
			if wait > shortWait {
				return time.Now().Add(wait)
			}
			pause.Sleep(l.box.closed, wait)
			continue
		}
		batch := page[:min(len(page), l.box.window())]
		page = page[len(batch):]
		l.mark(batch, owed)
		var stop bool
		if owed, stop = l.deliver(batch, owed); stop {
			break
		}
	}
	l.box.store(owed)
	l.mark(nil, nil)
	return time.Time{}
}

// pauseBefore is how long the lane has to wait before its first message may leave; 0: it may.
func (l *lane) pauseBefore(first *Entry) time.Duration {
	if wait := time.Until(l.notBefore); first.ID == l.head && wait > 0 {
		return wait
	}
	return l.box.pacer.wait(l.id)
}

// window is how many messages are marked at a time: one where each may have to wait for its turn.
func (o *Outbox) window() int {
	if o.pacer.limited() {
		return 1
	}
	return o.options.Window
}

func (l *lane) maySend() bool {
	l.box.mu.Lock()
	over := l.box.closing || l.box.halted || l.gone
	l.box.mu.Unlock()
	return !over && l.box.sender.Ready(l.id)
}

// mark notes what is being sent, so that nobody lets it run out meanwhile.
func (l *lane) mark(batch []Entry, owed []outcome) {
	marked := make(map[string]struct{}, len(batch)+len(owed))
	for i := range batch {
		marked[batch[i].ID] = struct{}{}
	}
	for i := range owed {
		marked[owed[i].change.ID] = struct{}{}
	}
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.marked = marked
}

// storePause is the wait after so many failures of the ledger in a row.
func storePause(failures int) time.Duration {
	return session.Backoff{First: 100 * time.Millisecond, Longest: 5 * time.Second}.Step(failures)
}

// ownPause is the longest pause before a retry where this process was at fault and not the message.
const ownPause = 10 * time.Second

// delay puts the next attempt of a message off. The first retry waits for nothing but the session: a lost connection is
// rarely the message's fault.
func (l *lane) delay(messageID string, longest time.Duration) {
	if l.head != messageID {
		l.box.mu.Lock() // closeOne looks at it
		l.head = messageID
		l.box.mu.Unlock()
		l.fails = 0
	}
	l.fails++
	if l.fails == 1 {
		l.notBefore = time.Time{}
		return
	}
	step := max(1, session.Backoff{First: l.box.options.RetryMin, Longest: longest}.Step(l.fails-1))
	l.notBefore = time.Now().Add(step/2 + rand.N(step/2+1))
}
