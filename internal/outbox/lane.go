package outbox

import (
	"context"
	"math/rand/v2"
	"time"

	"wasup/internal/message"
	"wasup/internal/pause"
	"wasup/internal/session"
)

// pageSize is the number of messages of one lane that are in memory at most.
const pageSize = 32

// shortWait is the longest pause for which a lane's goroutine sleeps. For longer pauses it ends, and a timer starts the
// next one.
const shortWait = 5 * time.Second

// lane is the queue of one session's unfinished messages. It exists while there are any. The outbox's lock guards it,
// except for the fields that only its goroutine uses.
type lane struct {
	box       *Outbox
	id        session.ID
	open      int       // unfinished messages, reservations included
	oldest    time.Time // when the oldest one was accepted, or became due; zero: unknown
	uncounted bool      // the ledger may have a message that open does not count
	working   bool      // a goroutine runs
	again     bool      // the lane was woken since the goroutine last looked
	removed   bool      // the session was deleted
	paused    time.Time // no message leaves before this time
	timer     *time.Timer
	onlyEntry *Entry                       // the lane's only open message, if it need not be read from the ledger
	marked    map[string]struct{}          // ids of messages that are being sent or are sent next
	abandoned map[string]message.Recipient // those of them whose running attempt is the last one
	unsent    string                       // the marked message whose attempt ended before the message left

	retryID string // id of the message whose attempt failed last; only the goroutine changes it

	// The fields below belong to the goroutine and its successors.
	fails     int       // attempts of the message retryID that failed or could not begin, in a row
	counted   int       // those of them that count
	notBefore time.Time // when its next attempt may begin
}

// lane returns a session's lane and makes it if there is none. The caller holds the lock.
func (o *Outbox) lane(id session.ID) *lane {
	l := o.lanes[id]
	if l == nil {
		l = &lane{box: o, id: id}
		o.lanes[id] = l
	}
	return l
}

// collect removes a lane that has nothing to do. The caller holds the lock.
func (l *lane) collect() {
	if l.open <= 0 && !l.working && !l.uncounted && l.box.lanes[l.id] == l {
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

// wake makes a lane look for messages to send, if its session is READY.
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

// work is the lane's goroutine. It sends due messages until none is left or the session cannot send.
func (l *lane) work() {
	defer l.box.owned.Done()
	broken := 0
	for l.keepWorking() {
		page, due, err := l.next()
		switch {
		case err != nil:
			broken++
			l.box.options.Logger.Warn("messages to send could not be read", "session", l.id, "code", session.CodeOf(err), "err", err)
			pause.Sleep(l.box.closed, storePause(broken))
		case len(page) == 0:
			if l.goIdle(due) {
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

// next returns the next page of due messages. It reads the ledger only if the lane's messages are not known already.
func (l *lane) next() (page []Entry, due time.Time, err error) {
	l.box.mu.Lock()
	only, none := l.onlyEntry, l.open <= 0 && !l.uncounted
	l.onlyEntry = nil
	l.box.mu.Unlock()
	switch {
	case only != nil:
		return []Entry{*only}, time.Time{}, nil
	case none:
		return nil, time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(l.box.base, l.box.options.StoreTimeout)
	defer cancel()
	return l.box.ledger.Next(ctx, l.id, time.Now(), pageSize)
}

// keepWorking reports whether the lane's goroutine continues. If not, keepWorking marks the lane as not working.
func (l *lane) keepWorking() bool {
	for {
		l.box.mu.Lock()
		l.again = false
		over := l.box.closing || l.box.halted || l.removed
		l.box.mu.Unlock()
		if !over && l.box.sender.Ready(l.id) {
			return true
		}
		l.box.mu.Lock()
		// A wake in between has started no goroutine: this one must look again.
		if over || !l.again {
			l.working = false
			l.collect()
			l.box.mu.Unlock()
			return false
		}
		l.box.mu.Unlock()
	}
}

// observeOldest sets the lane's oldest time from its first message.
func (l *lane) observeOldest(first *Entry) {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.oldest = later(first.CreatedAt, first.SendAt)
}

// goIdle ends the lane's work until it is woken or the time due comes. It returns false if the lane was woken in
// between.
func (l *lane) goIdle(due time.Time) bool {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	if l.again {
		return false
	}
	l.working, l.uncounted, l.oldest = false, false, due
	l.arm(due)
	l.collect()
	return true
}

// pause ends the lane's work until a time. New messages do not wake it: messages leave in order, and the first one
// waits.
func (l *lane) pause(until time.Time) {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.working, l.paused = false, until
	l.arm(until)
}

// arm sets the timer that wakes the lane. The caller holds the lock.
func (l *lane) arm(at time.Time) {
	l.disarm()
	if at.IsZero() || l.removed || l.box.closing {
		return
	}
	id := l.id
	l.timer = time.AfterFunc(max(0, time.Until(at)), func() { l.box.wake(id) })
}

// drain sends a page, one message after the other. It stops when a message must be tried again, or when the next
// message must wait longer than shortWait. In the second case it returns the end of the wait.
func (l *lane) drain(page []Entry) (until time.Time) {
	var pending []outcome // outcomes not stored yet: the commit that begins the next message stores them too
	for len(page) > 0 && l.canSend() {
		if wait := l.pauseBefore(&page[0]); wait > 0 {
			if !l.box.records.store(pending) {
				l.unmark()
				return time.Time{}
			}
			pending = nil
			if wait > shortWait {
				l.unmark()
				return time.Now().Add(wait)
			}
			pause.Sleep(l.box.closed, wait)
			continue
		}
		batch := page[:min(len(page), l.window())]
		page = page[len(batch):]
		l.mark(batch, pending)
		var stop bool
		if pending, stop = l.deliver(batch, pending); stop {
			break
		}
	}
	l.box.records.store(pending)
	l.unmark()
	return time.Time{}
}

// pauseBefore returns how long the lane must wait before its first message may leave; 0: it may leave now.
func (l *lane) pauseBefore(first *Entry) time.Duration {
	if wait := time.Until(l.notBefore); first.ID == l.retryID && wait > 0 {
		return wait
	}
	return l.box.pacer.wait(l.id)
}

// window returns how many messages are marked in one commit. With a pacing limit it is 1, because each message may have
// to wait.
func (l *lane) window() int {
	if l.box.pacer.limited() {
		return 1
	}
	return l.box.options.Window
}

func (l *lane) canSend() bool {
	l.box.mu.Lock()
	over := l.box.closing || l.box.halted || l.removed
	l.box.mu.Unlock()
	return !over && l.box.sender.Ready(l.id)
}

// mark sets the lane's marked messages. The retainer does not expire them while they are being sent.
func (l *lane) mark(batch []Entry, pending []outcome) {
	marked := make(map[string]struct{}, len(batch)+len(pending))
	for i := range batch {
		marked[batch[i].ID] = struct{}{}
	}
	for i := range pending {
		marked[pending[i].change.ID] = struct{}{}
	}
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.marked, l.unsent = marked, ""
}

// unmark clears the lane's marked messages, fails those that were abandoned meanwhile and are not settled, and wakes the
// waiters, who may have waited for the end of an attempt.
func (l *lane) unmark() {
	l.box.mu.Lock()
	abandoned, unsent := l.abandoned, l.unsent
	l.marked, l.abandoned = nil, nil
	l.box.mu.Unlock()
	for id, to := range abandoned {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.box.base), l.box.options.StoreTimeout)
		how := Change{From: openStates(), Failure: message.Failure{Code: session.CodeOutcomeUnknown}}
		if id == unsent {
			how.Failure.Code = session.CodeExpired
		}
		(texts{l.box}).failAbandoned(ctx, &Entry{Message: message.Message{Session: l.id, ID: id, To: to}}, how)
		cancel()
	}
	l.box.waiters.update(l.id, func(*news) {})
}

// noteUnsent remembers that a marked message did not leave.
func (l *lane) noteUnsent(messageID string) {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.unsent = messageID
}

// isAbandoned reports whether nobody waits for the message any more, so that no attempt may begin.
func (l *lane) isAbandoned(messageID string) bool {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	_, abandoned := l.abandoned[messageID]
	return abandoned
}

// storePause returns the wait after a number of ledger failures in a row.
func storePause(failures int) time.Duration {
	return session.Backoff{First: 100 * time.Millisecond, Longest: 5 * time.Second}.Step(failures)
}

// ownPause is the longest pause before a retry if the attempt failed because of this process and not of the message.
const ownPause = 10 * time.Second

// delay sets when the next attempt of a message may begin. The first retry waits only for the session to be READY: a
// message rarely causes the loss of a connection. longest bounds the pause.
func (l *lane) delay(messageID string, longest time.Duration) {
	if l.retryID != messageID {
		l.box.mu.Lock() // countSettled reads retryID
		l.retryID = messageID
		l.box.mu.Unlock()
		l.fails, l.counted = 0, 0
	}
	l.fails++
	if l.fails == 1 {
		l.notBefore = time.Time{}
		return
	}
	step := max(1, session.Backoff{First: l.box.options.RetryMin, Longest: longest}.Step(l.fails-1))
	l.notBefore = time.Now().Add(step/2 + rand.N(step/2+1))
}
