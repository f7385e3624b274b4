package sandbox

import (
	"bytes"
	"compress/zlib"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/tasks"
	"wasup/internal/sandbox/wire"
)

// maxOutgoing bounds the stanzas that wait for a client that reads slowly or not at all.
const maxOutgoing = 16 << 10

// line is the way to a client. A goroutine writes, and exists only while there is something to write.
type line struct {
	id      uint64
	who     faults.Scope
	tasks   *tasks.Tasks
	faults  *faults.Set
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
func newLine(net *network.Network, who faults.Scope) *line {
	l := &line{who: who, tasks: net.Tasks, faults: net.Faults, log: net.Log, gone: make(chan struct{})}
	l.out = tasks.Mailbox[outgoing]{Spawn: net.Tasks.Spawn, Handle: l.perform, Limit: maxOutgoing}
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

// Send queues a stanza. A client that does not read loses its connection, not the server its memory.
func (l *line) Send(node waBinary.Node) { l.enqueue(node, nil, nil) }

// SendLast queues the last stanza of the connection, which closes delay after it was written.
func (l *line) SendLast(node waBinary.Node, delay time.Duration) {
	l.ending.Store(true)
	if _, ok := l.faults.Strike(faults.CloseAtOnce, l.who); ok {
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
	fault, spoil := l.faults.Strike(faults.MalformedFrame, l.who)
	if !spoil {
		return l.ciphers.AppendSealed(nil, payload)
	}
	var err error
	switch fault.Variant {
	case faults.VariantNode:
		// A flag byte, and a list that announces 255 parts without any.
		payload = []byte{0, 0xF8, 0xFF}
	case faults.VariantTagless:
		// A flag byte, and a list whose one part is an empty list. whatsmeow's reader panics on it, and with it the process
		// of a client that does not guard the reader.
		payload = []byte{0, 0xF8, 1, 0}
	case faults.VariantZlibBomb:
		payload, err = zlibBomb()
	case faults.VariantStanza:
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
	case faults.VariantLength:
		// 256 bytes more than there are.
		frame[1]++
	case faults.VariantGarbage, "":
		frame[len(frame)-1] ^= 1
	}
	return frame, nil
}

// bombSize is how large the content of a zlib bomb is, inflated, in bytes.
const bombSize = 64 << 20

// nameless is a pairing that succeeded, without the id that clients answer to. whatsmeow's handler panics on it, and with
// it the process of a client that does not guard its handlers.
func nameless() ([]byte, error) {
	return waBinary.Marshal(waBinary.Node{
		Tag: "iq", Attrs: waBinary.Attrs{"type": "set", "from": types.ServerJID}, Content: []waBinary.Node{{Tag: "pair-success"}},
	})
}

// zlibBomb is a stanza that clients ignore, once they have it. It is a whole one: whatsmeow's decoder panics on a
// list without a tag, as a bomb of mere zeros begins with, and takes its process with it.
func zlibBomb() ([]byte, error) {
	encoded, err := waBinary.Marshal(waBinary.Node{Tag: "ib", Content: make([]byte, bombSize)})
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	packed.WriteByte(2) // the flag of compressed content
	deflate := zlib.NewWriter(&packed)
	_, _ = deflate.Write(encoded[1:]) // writes to memory do not fail
	_ = deflate.Close()
	return packed.Bytes(), nil
}

// Leave gives the client some time to end the connection, to which the server listens no more.
func (l *line) Leave(delay time.Duration) {
	l.ending.Store(true)
	l.later(delay, func() { l.put(outgoing{close: true}) })
}
