package sandbox

import (
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/stanza"
)

// connections is the set of open client connections.
type connections struct {
	cfg Config

	mu   sync.Mutex
	open map[*conn]struct{}
	last uint64
	// refusing is set while the server is restarting, and after it is closed.
	refusing bool
	// drained is closed when the last connection has ended, if a restart waits for that.
	drained chan struct{}
}

func newConnections(cfg Config) *connections {
	return &connections{cfg: cfg, open: make(map[*conn]struct{})}
}

// add registers a connection and sets its number. It returns false when the server refuses connections.
func (l *connections) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusing {
		return false
	}
	l.last++
	c.id = l.last
	l.open[c] = struct{}{}
	return true
}

func (l *connections) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	if l.drained != nil && len(l.open) == 0 {
		close(l.drained)
		l.drained = nil
	}
}

// admit accepts new connections again.
func (l *connections) admit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusing = false
}

// refuse refuses new connections from now on and lists the open ones.
func (l *connections) refuse() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refuseAll()
}

// refuseAll is refuse for a caller that holds the lock.
func (l *connections) refuseAll() []*conn {
	l.refusing = true
	list := make([]*conn, 0, len(l.open))
	for c := range l.open {
		list = append(list, c)
	}
	return list
}

// drain is refuse with a channel that is closed when all listed connections have ended. The channel is nil when there
// are none.
func (l *connections) drain() ([]*conn, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.refuseAll()
	if len(list) == 0 {
		return nil, nil
	}
	drained := make(chan struct{})
	l.drained = drained
	return list, drained
}

// selected lists the connections that an action applies to.
func (l *connections) selected(sel faults.Select) []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var chosen []*conn
	for c := range l.open {
		if sel.Reaches(c) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

func (l *connections) drop(sel faults.Select) int {
	dropped := 0
	for _, c := range l.selected(sel) {
		if c.kill("dropped") {
			dropped++
		}
	}
	return dropped
}

func (l *connections) close(sel faults.Select) int {
	chosen := l.selected(sel)
	for _, c := range chosen {
		c.ending.Store(true)
		c.put(outgoing{close: true})
	}
	return len(chosen)
}

func (l *connections) streamError(sel faults.Select, code int, conflict string, closeAfter bool) int {
	delay := l.cfg.CloseDelay
	if code == codeRestart {
		delay = l.cfg.leaveDelay()
	}
	return l.sendAll(sel, stanza.StreamError(code, conflict), delay, closeAfter)
}

func (l *connections) fail(sel faults.Select, code int, expire time.Duration, banCode int, closeAfter bool) int {
	return l.sendAll(sel, failureOf(faults.Fault{Code: code, Expire: expire, BanCode: banCode}), l.cfg.CloseDelay, closeAfter)
}

func (l *connections) endStream(sel faults.Select) int {
	return l.sendAll(sel, waBinary.Node{Tag: "xmlstreamend"}, l.cfg.CloseDelay, true)
}

func (l *connections) sendAll(sel faults.Select, node waBinary.Node, delay time.Duration, closeAfter bool) int {
	sent := 0
	for _, c := range l.selected(sel) {
		if !c.established.Load() {
			continue
		}
		if closeAfter {
			c.SendLast(node, delay)
		} else {
			c.Send(node)
		}
		sent++
	}
	return sent
}

// halfOpen freezes connections and returns how many were not frozen before.
func (l *connections) halfOpen(sel faults.Select) int {
	left := 0
	for _, c := range l.selected(sel) {
		if c.freeze() {
			left++
		}
	}
	return left
}
