package incoming

import (
	"sync"
	"time"

	"wasup/internal/session"
)

// lanes say which session's turn it is. A session with files that wait has a lane; one without has nothing: no goroutine,
// no timer, no memory. Sessions that fail or are slow share places of their own, so that they take none from the others.
type lanes struct {
	downloader *Downloader

	mu      sync.Mutex
	opened  bool // what an earlier process left has been looked through
	closed  bool
	paused  bool
	steps   int // how often in a row it was paused
	resume  *time.Timer
	all     map[session.ID]*lane
	queue   [2][]*lane // whose turn it is, by pool
	running [2]int
}

// The pools.
const (
	brisk = iota
	slow
)

type lane struct {
	id      session.ID
	state   laneState
	again   bool // a file came during its turn
	ready   bool // the session became READY during its turn
	removed bool // the session was deleted
	strikes int  // failures in a row
	pool    int  // in which it is queued or runs
	timer   *time.Timer
}

type laneState int

const (
	queued laneState = iota
	running
	resting // until its timer, or until its session is READY
)

// verdict is how a turn ended.
type verdict struct {
	done   bool          // nothing waits any more
	asleep bool          // until the session is READY
	rest   time.Duration // 0: the next file follows
	struck bool          // the session's files do not come
	kept   bool          // one came
}

func (l *lanes) init(d *Downloader) {
	l.downloader = d
	l.all = make(map[session.ID]*lane)
}

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

// wake looks after a session. ready ends a rest: whatever it waited for, the session has connected anew.
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
	l.all[id].removed = false // another one has its name
	l.dispatch()
}

// remove forgets a session.
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
	each.state, each.pool = queued, brisk
	if each.strikes > 0 {
		each.pool = slow
	}
	l.queue[each.pool] = append(l.queue[each.pool], each)
}

// dispatch begins as many turns as there are places.
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

func (l *lanes) turn(each *lane) {
	late := time.AfterFunc(l.downloader.options.Slow, func() { l.giveWay(each) })
	how := l.downloader.turn(each.id)
	late.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[each.pool]--
	l.after(each, how)
	l.dispatch()
}

// giveWay frees the place of a turn that takes long, while there are places for such.
func (l *lanes) giveWay(each *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if each.state != running || each.pool != brisk || l.running[slow] >= slowShare*l.downloader.options.Workers {
		return
	}
	l.running[brisk]--
	l.running[slow]++
	each.pool = slow
	l.dispatch()
}

func (l *lanes) after(each *lane, how verdict) {
	switch {
	case how.struck:
		each.strikes++
	case how.kept:
		each.strikes = 0
		l.recovered()
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

// sleep lets a lane rest. A timer that was stopped too late finds another one in its place.
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

// pause stops everything for a while: the disk or the database refused something, and would refuse the next file too.
func (l *lanes) pause(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused || l.closed {
		return
	}
	first := l.downloader.options.Pause
	rest := session.Backoff{First: first, Longest: first << 5}.Step(l.steps + 1)
	if l.steps == 0 {
		l.downloader.log.Warn("incoming files are not kept for now; it is tried again until it works", "err", err, "in", rest)
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

func (l *lanes) recovered() {
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

// strikes is how often in a row a session's files have failed.
func (l *lanes) strikes(id session.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if each := l.all[id]; each != nil {
		return each.strikes
	}
	return 0
}
