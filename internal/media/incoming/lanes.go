package incoming

import (
	"sync"
	"time"

	"wasup/internal/session"
)

// lanes decides which session downloads next. A session with waiting files has a lane. A session without has no
// goroutine, no timer and no memory. Slow and failing sessions have their own pool of workers, so that they do not
// delay the others.
type lanes struct {
	downloader *Downloader

	mu      sync.Mutex
	opened  bool // the waiting files of an earlier process have their lanes
	closed  bool
	paused  bool
	steps   int // number of pauses in a row
	resume  *time.Timer
	all     map[session.ID]*lane
	queue   [2][]*lane // lanes that wait for a turn, by pool
	running [2]int     // running turns, by pool
}

// The pools.
const (
	fast = iota
	slow
)

// lane is the queue of one session's files.
type lane struct {
	id      session.ID
	state   laneState
	again   bool // a new file came during the turn
	ready   bool // the session became READY during the turn
	removed bool // the session was deleted
	strikes int  // failures in a row
	pool    int  // the pool in which the lane is queued or runs
	timer   *time.Timer
}

type laneState int

const (
	queued laneState = iota
	running
	resting // until the timer fires, or until the session is READY
)

// verdict is the result of a turn.
type verdict struct {
	done   bool          // no file waits
	asleep bool          // the lane waits until the session is READY
	rest   time.Duration // pause before the next turn
	struck bool          // a download failed
	kept   bool          // a file was downloaded
}

func (l *lanes) init(d *Downloader) {
	l.downloader = d
	l.all = make(map[session.ID]*lane)
}

// open makes the lanes of sessions with waiting files, and lets turns begin.
func (l *lanes) open(ids []session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = true
	for _, id := range ids {
		if l.all[id] == nil {
			l.add(id)
		}
	}
	l.dispatch()
}

func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, each := range l.all {
		each.stop()
	}
	if l.resume != nil {
		l.resume.Stop()
	}
}

func (e *lane) stop() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}

// wake makes sure that a session gets a turn. ready says that the session has just become READY: that ends a pause.
func (l *lanes) wake(id session.ID, ready bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	each := l.all[id]
	switch {
	case l.closed:
		return
	case each == nil && ready:
		return
	case each == nil:
		l.add(id)
	case each.state == running:
		each.again, each.ready = true, each.ready || ready
	case each.state == resting && ready:
		l.enqueue(each)
	}
	l.all[id].removed = false // a new session has the same id
	l.dispatch()
}

// remove deletes the lane of a session, after its turn if one runs.
func (l *lanes) remove(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch each := l.all[id]; {
	case each == nil:
	case each.state == resting:
		each.stop()
		delete(l.all, id)
	default:
		each.removed = true
	}
}

func (l *lanes) add(id session.ID) {
	each := &lane{id: id}
	l.all[id] = each
	l.enqueue(each)
}

func (l *lanes) enqueue(each *lane) {
	each.stop()
	each.state, each.pool = queued, fast
	if each.strikes > 0 {
		each.pool = slow
	}
	l.queue[each.pool] = append(l.queue[each.pool], each)
}

// dispatch starts turns until the pools are full.
func (l *lanes) dispatch() {
	if l.closed || l.paused || !l.opened {
		return
	}
	for pool, places := range [2]int{l.downloader.options.Workers, slowShare * l.downloader.options.Workers} {
		for l.running[pool] < places && len(l.queue[pool]) > 0 {
			each := l.queue[pool][0]
			l.queue[pool][0] = nil
			l.queue[pool] = l.queue[pool][1:]
			each.state, each.again, each.ready = running, false, false
			l.running[pool]++
			l.downloader.work.Go(func() { l.turn(each) })
		}
	}
}

// turn runs one turn of a lane.
func (l *lanes) turn(each *lane) {
	late := time.AfterFunc(l.downloader.options.Slow, func() { l.moveToSlow(each) })
	how := l.downloader.turn(each.id)
	late.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[each.pool]--
	l.after(each, how)
	l.dispatch()
}

// moveToSlow moves a turn that takes long to the slow pool, if that is not full.
func (l *lanes) moveToSlow(each *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if each.state != running || each.pool != fast || l.running[slow] >= slowShare*l.downloader.options.Workers {
		return
	}
	l.running[fast]--
	l.running[slow]++
	each.pool = slow
	l.dispatch()
}

// after updates a lane after a turn.
func (l *lanes) after(each *lane, how verdict) {
	switch {
	case how.struck:
		each.strikes++
	case how.kept:
		each.strikes = 0
		l.endPauses()
	}
	switch {
	case l.closed, each.removed, how.done && !each.again:
		delete(l.all, each.id)
	case how.done, each.ready, !how.asleep && how.rest == 0:
		l.enqueue(each)
	default:
		each.state = resting
		if !how.asleep {
			l.sleep(each, how.rest)
		}
	}
}

// sleep lets a lane rest for a time. The lane may have another timer when this one fires although it was stopped; then
// it does nothing.
func (l *lanes) sleep(each *lane, rest time.Duration) {
	var own *time.Timer
	own = time.AfterFunc(rest, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if each.state == resting && each.timer == own && !l.closed {
			l.enqueue(each)
			l.dispatch()
		}
	})
	each.timer = own
}

// pause stops all turns for a while after an error of the disk or the database, because other downloads would fail too.
func (l *lanes) pause(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused || l.closed {
		return
	}
	first := l.downloader.options.Pause
	rest := session.Backoff{First: first, Longest: first << 5}.Step(l.steps + 1)
	if l.steps == 0 {
		l.downloader.log.Warn("incoming files are not kept for now; retrying", "err", err, "in", rest)
	}
	l.paused = true
	l.steps++
	l.resume = time.AfterFunc(rest, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.paused = false
		l.dispatch()
	})
}

// endPauses notes that a download has succeeded after a pause.
func (l *lanes) endPauses() {
	if l.steps > 0 && !l.paused {
		l.steps = 0
		l.downloader.log.Info("incoming files are kept again")
	}
}

func (l *lanes) isPaused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.steps > 0
}

// strikes returns the number of a session's failed downloads in a row.
func (l *lanes) strikes(id session.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if each := l.all[id]; each != nil {
		return each.strikes
	}
	return 0
}
