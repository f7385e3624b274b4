package webhooks

import (
	"container/heap"
	"time"

	"wasup/internal/session"
)

// loop decides which lanes may deliver. Only the goroutine of run uses its fields. The loop uses neither the network
// nor the database, so it answers at once.
type loop struct {
	*Webhooks
	retry     schedule
	receivers map[string]*receiver
	global    []*receiver                // webhooks for all sessions
	scoped    map[session.ID][]*receiver // webhooks for one session
	ring      []*receiver                // receivers with ready lanes, served round-robin
	times     times
	turns     int // running turns
	slowTurns int // running turns of receivers that are slow or fail
}

func newLoop(w *Webhooks, list []Webhook) *loop {
	l := &loop{
		Webhooks: w, retry: schedule{w.opts.RetryMin, w.opts.RetryMax, w.opts.RetryFor},
		receivers: make(map[string]*receiver), scoped: make(map[session.ID][]*receiver),
	}
	for i := range list {
		l.addReceiver(&list[i])
	}
	return l
}

func (l *loop) run() {
	draining := l.draining
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if l.drain.Load() {
			for _, r := range l.receivers {
				r.halt.Store(true)
			}
			if l.turns == 0 && !l.surveying() {
				return
			}
		} else {
			l.schedule()
		}
		// If nothing waits for a time, there is no timer: idle webhooks cost nothing.
		timer.Stop()
		var due <-chan time.Time
		if at, some := l.times.first(); some && !l.drain.Load() {
			timer.Reset(max(0, at.Sub(l.opts.Now())))
			due = timer.C
		}
		select {
		case do := <-l.inbox:
			do(l)
		case <-l.growth.C():
			l.wake()
		case <-draining:
			draining = nil
		case <-due:
			l.dueNow()
		case <-l.life.Done():
			return
		}
	}
}

// wake makes the lanes of sessions with new events ready.
func (l *loop) wake() {
	for id := range l.growth.Take() {
		for _, r := range l.global {
			l.wakeLane(r, id)
		}
		for _, r := range l.scoped[id] {
			l.wakeLane(r, id)
		}
	}
}

// wakeLane notes that a lane may have events to deliver.
func (l *loop) wakeLane(r *receiver, id session.ID) {
	ln := r.lanes[id]
	if ln == nil {
		ln = &lane{of: r, session: id}
		r.lanes[id] = ln
	}
	switch ln.state {
	case resting:
		l.makeReady(ln)
	case delivering:
		ln.more = true
	case ready, waiting:
	}
}

func (l *loop) makeReady(ln *lane) {
	ln.state = ready
	ln.of.ready = append(ln.of.ready, ln)
	l.enqueue(ln.of)
}

func (l *loop) enqueue(r *receiver) {
	if !r.queued {
		r.queued = true
		l.ring = append(l.ring, r)
	}
}

// waitUntil lets a lane wait until a time.
func (l *loop) waitUntil(ln *lane, at time.Time) {
	ln.state, ln.until = waiting, at
	heap.Push(&l.times, moment{at: at, lane: ln})
}

// setAlarm lets the loop look at a receiver again at a time.
func (l *loop) setAlarm(r *receiver, at time.Time) {
	if !r.alarm.Equal(at) {
		r.alarm = at
		heap.Push(&l.times, moment{at: at, receiver: r})
	}
}

// dueNow makes the lanes and receivers ready whose time has come.
func (l *loop) dueNow() {
	now := l.opts.Now()
	for len(l.times) > 0 && !l.times[0].at.After(now) {
		m, _ := heap.Pop(&l.times).(moment)
		switch {
		case m.lane == nil:
			m.receiver.alarm = time.Time{}
			l.enqueue(m.receiver)
		case m.lane.state == waiting && m.lane.until.Equal(m.at) && l.receivers[m.lane.of.hook.ID] == m.lane.of:
			m.lane.force = true
			l.makeReady(m.lane)
		}
	}
}

// schedule starts as many turns as may run. The receivers get them round-robin. A receiver that may not have one now
// leaves the ring until something changes for it: a turn ends, its time comes, or a lane becomes ready.
func (l *loop) schedule() {
	var held []*receiver // wait for room, which any ending turn can make
	for len(l.ring) > 0 {
		r := l.ring[0]
		l.ring = l.ring[1:]
		r.queued = false
		switch l.admit(r) {
		case no:
		case noRoom:
			held = append(held, r)
		case yes:
			l.startTurn(r)
			if len(r.ready) > 0 || !r.surveyed {
				l.enqueue(r)
			}
		}
	}
	for _, r := range held {
		l.enqueue(r)
	}
	if len(l.ring) == 0 {
		l.ring = nil // free the memory in front of the slice
	}
}

// permission says whether a receiver may start a turn.
type permission int

const (
	no     permission = iota
	noRoom            // not now: too many turns of all receivers run
	yes
)

// admit decides whether a receiver may start a turn.
func (l *loop) admit(r *receiver) permission {
	now := l.opts.Now()
	switch {
	case l.receivers[r.hook.ID] != r || !r.hook.Active:
		return no
	case !r.surveyed:
		l.survey(r, now)
	}
	switch {
	case len(r.ready) == 0 || r.turns >= r.limit(l.opts.PerWebhook):
		return no
	case now.Before(later(r.downUntil, r.pauseUntil)):
		l.setAlarm(r, later(r.downUntil, r.pauseUntil))
		return no
	case r.slowLane && l.slowTurns >= l.opts.Requests, !r.slowLane && l.turns-l.slowTurns >= l.opts.Requests:
		return noRoom
	default:
		return yes
	}
}

// startTurn starts the turn of the receiver's next lane.
func (l *loop) startTurn(r *receiver) {
	ln := r.ready[0]
	r.ready = r.ready[1:]
	if len(r.ready) == 0 {
		r.ready = nil
	}
	ln.state, ln.more = delivering, false
	t := &turn{Webhooks: l.Webhooks, lane: ln, of: r, hook: *r.hook, halt: r.halt, session: ln.session, seen: ln.seen, force: ln.force, retry: l.retry, age: ln.age}
	if ln.cursor != nil {
		t.cursor, t.known = *ln.cursor, true
	}
	ln.force = false
	r.turns++
	l.turns++
	if r.slowLane {
		t.slowLane = true
		l.slowTurns++
	}
	l.Webhooks.work.Go(func() {
		end := t.run(r.ctx)
		l.post(func(l *loop) { l.endTurn(t, end) })
	})
}

// markSlow counts a turn that takes long, and its receiver, among the slow ones. They have their own limit of requests,
// so that fast receivers need not wait for them.
func (l *loop) markSlow(t *turn) {
	t.of.slowLane = true
	if !t.slowLane && !t.over {
		t.slowLane = true
		l.slowTurns++
	}
}

// endTurn takes the result of a turn.
func (l *loop) endTurn(t *turn, end ending) {
	r, ln := t.of, t.lane
	r.turns--
	l.turns--
	t.over = true
	if t.slowLane {
		l.slowTurns--
	}
	if l.receivers[r.hook.ID] != r || r.lanes[ln.session] != ln {
		return // deleted meanwhile
	}
	ln.cursor, ln.seen = end.cursor, end.seen
	l.recordOutcome(r, end)
	more := ln.more || end.more || end.gone
	if ln.age != t.age { // the cursor was moved, or the webhook changed: the turn's knowledge is out of date
		ln.cursor, ln.seen, more, end.until = nil, 0, true, time.Time{}
	}
	switch {
	case end.gone && !r.hook.Active: // the survey after the webhook is resumed finds the lane again
		ln.state = resting
	case !end.until.IsZero():
		ln.down = end.last == nil || isDown(end.last.Outcome)
		l.waitUntil(ln, end.until)
	case more:
		l.makeReady(ln)
	default:
		ln.state = resting
		if len(r.lanes) > mostLanes {
			delete(r.lanes, ln.session)
		}
	}
	if len(r.ready) > 0 {
		l.enqueue(r)
	}
}

// mostLanes is the number of resting lanes that a receiver keeps, so that their cursors need not be read again.
const mostLanes = 10_000

// recordOutcome updates the state of the receiver after a turn.
func (l *loop) recordOutcome(r *receiver, end ending) {
	if end.last == nil {
		return
	}
	r.last = end.last
	if end.delivered > 0 {
		l.recovered(r)
		r.slowLane = end.slow
	}
	if end.last.Outcome == Delivered {
		return
	}
	r.slowLane = true
	r.failures++
	now := l.opts.Now()
	if r.failing.IsZero() {
		r.failing = now
	}
	if r.failures == breakAfter {
		l.opts.Log.Warn("webhook: receiver is down, events wait", "webhook", r.hook.ID, "outcome", string(end.last.Outcome), "status", end.last.Status)
	}
	if r.failures >= breakAfter {
		r.downUntil = later(r.downUntil, now.Add(l.retry.pause(r.failures-breakAfter+1)))
	}
	if end.asked > 0 {
		r.pauseUntil = later(r.pauseUntil, now.Add(min(end.asked, longestRetryAfter)))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// recovered notes a successful attempt. If the receiver was down, all events that waited for it are tried at once. If
// it was not, an event that it refused keeps its own schedule.
func (l *loop) recovered(r *receiver) {
	down := r.failures >= breakAfter
	r.failures, r.failing, r.downUntil = 0, time.Time{}, time.Time{}
	if !down {
		return
	}
	l.opts.Log.Info("webhook: receiver is up again", "webhook", r.hook.ID)
	l.wakeDown(r)
}

// wakeDown makes the lanes ready that wait because the receiver was down.
func (l *loop) wakeDown(r *receiver) {
	for _, ln := range r.lanes {
		if ln.state == waiting && ln.down {
			ln.force = true
			l.makeReady(ln)
		}
	}
	if len(r.ready) > 0 {
		l.enqueue(r)
	}
}
