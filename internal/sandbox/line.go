package sandbox

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/tasks"
	"wasup/internal/sandbox/wire"
)

// maxOutgoing bounds the stanzas that wait for a client that reads slowly or not at all.
const maxOutgoing = 16 << 10

// line is the way to a client. A goroutine writes, and exists only while there is something to write.
type line struct {
	id      uint64
	who     scope
	tasks   *tasks.Tasks
	faults  *faultSet
	log     *slog.Logger
	ciphers *wire.Ciphers
	out     tasks.Mailbox[outgoing]
	// write puts bytes on the wire, shut ends the connection politely, drop at once.
	write func([]byte) error
	shut  func()
	drop  func()

	// ending is set once a final stanza was queued: what the client says after it is not looked at.
	ending atomic.Bool
	// frozen is set when the connection was left half open.
	frozen atomic.Bool

	mu     sync.Mutex
	gone   chan struct{}
	reason string
	timers []*time.Timer
}

// newLine makes a line without a socket; who is whose it is.
func newLine(net *network, who scope) *line {
	l := &line{who: who, tasks: net.tasks, faults: net.faults, log: net.log, gone: make(chan struct{})}
	l.out = tasks.Mailbox[outgoing]{Spawn: net.tasks.Spawn, Handle: l.perform, Limit: maxOutgoing}
	return l
}

// outgoing is one thing for the writer to do.
type outgoing struct {
	payload []byte
	// written is told the moment just before the write.
	written func(time.Time)
	// final is set on the last stanza; the connection closes that long after it was written.
	final *time.Duration
	// close ends the connection instead of writing.
	close bool
}

// sleep waits and says whether the connection is still there.
func (l *line) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.gone:
		return false
	}
}

// send queues a stanza. A client that does not read loses its connection, not the server its memory.
func (l *line) send(node waBinary.Node) { l.enqueue(node, nil, nil) }

// sendLast queues the last stanza of the connection, which closes delay after it was written.
func (l *line) sendLast(node waBinary.Node, delay time.Duration) {
	l.ending.Store(true)
	if _, ok := l.faults.strike(FaultCloseAtOnce, l.who); ok {
		delay = 0
	}
	l.enqueue(node, nil, &delay)
}

func (l *line) enqueue(node waBinary.Node, written func(time.Time), final *time.Duration) {
	payload, err := waBinary.Marshal(node)
	if err != nil {
		l.log.Error("stanza not encoded", "tag", node.Tag, "err", err)
		return
	}
	l.put(outgoing{payload: payload, written: written, final: final})
}

func (l *line) put(item outgoing) {
	if !l.out.Put(item) {
		l.kill("client does not read")
	}
}

// perform runs in the writer's goroutine.
func (l *line) perform(item outgoing) {
	if l.frozen.Load() && !item.close {
		return
	}
	if item.close {
		l.end("closed by the server")
		l.shut()
		return
	}
	// sealed draws on the key's counter: only the writer calls it, in the order of the wire.
	frame, err := l.sealed(item.payload)
	if err != nil {
		l.kill("stanza not encrypted")
		return
	}
	at := time.Now()
	if err = l.write(frame); err != nil {
		l.kill("write failed")
		return
	}
	if item.written != nil {
		item.written(at)
	}
	if item.final != nil {
		l.closeAfter(*item.final)
	}
}

func (l *line) closeAfter(delay time.Duration) {
	if delay <= 0 {
		l.put(outgoing{close: true})
		return
	}
	l.later(delay, func() { l.put(outgoing{close: true}) })
}

// later runs fn after delay unless the connection ends before.
func (l *line) later(delay time.Duration, fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.gone:
		return
	default:
	}
	l.timers = append(l.timers, l.tasks.After(delay, fn))
}

// end marks the connection as ended, the first reason being kept.
func (l *line) end(reason string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason != "" {
		return false
	}
	l.reason = reason
	close(l.gone)
	for _, timer := range l.timers {
		timer.Stop()
	}
	l.timers = nil
	return true
}

// kill ends the connection without a goodbye and says whether it was still there.
func (l *line) kill(reason string) bool {
	first := l.end(reason)
	l.drop()
	return first
}

// freeze makes a connection half open and says whether it was not before.
func (l *line) freeze() bool { return l.frozen.CompareAndSwap(false, true) }

// sealed is the frame of a stanza, spoilt if a fault says so. The keys stay in step either way: it is one frame
// that is lost, not the connection, unless the length of the frame is spoilt.
func (l *line) sealed(payload []byte) ([]byte, error) {
	fault, spoil := l.faults.strike(FaultMalformedFrame, l.who)
	if !spoil {
		return l.ciphers.AppendSealed(nil, payload)
	}
	var err error
	switch fault.Variant {
	case VariantNode:
		// A flag byte, and a list that announces 255 parts without any.
		payload = []byte{0, 0xF8, 0xFF}
	case VariantTagless:
		// A flag byte, and a list whose one part is an empty list. whatsmeow's reader panics on it, and with it the process
		// of a client that does not guard the reader.
		payload = []byte{0, 0xF8, 1, 0}
	case VariantZlibBomb:
		payload, err = zlibBomb()
	case VariantStanza:
		payload, err = nameless()
	}
	if err != nil {
		return nil, err
	}
	frame, err := l.ciphers.AppendSealed(nil, payload)
	if err != nil {
		return nil, err
	}
	switch fault.Variant {
	case VariantLength:
		// 256 bytes more than there are.
		frame[1]++
	case VariantGarbage, "":
		frame[len(frame)-1] ^= 1
	}
	return frame, nil
}
