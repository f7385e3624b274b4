package sandbox

import (
	"bytes"
	"compress/zlib"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/tasks"
	"wasup/internal/sandbox/wire"
)

// maxOutgoing bounds the stanzas that wait for a client that reads slowly or not at all.
const maxOutgoing = 16 << 10

// line sends stanzas to a client. Its writer goroutine exists only while stanzas are queued.
type line struct {
	id      uint64
	who     faults.Scope
	tasks   *tasks.Tasks
	faults  *faults.Set
	log     *slog.Logger
	ciphers *wire.Ciphers
	out     tasks.Mailbox[outgoing]
	// write writes bytes to the connection, shut closes it in an orderly way, drop resets it.
	write func([]byte) error
	shut  func()
	drop  func()

	// ending is set when the final stanza is queued. Later stanzas from the client are ignored.
	ending atomic.Bool
	// frozen is set when the connection was left half open.
	frozen atomic.Bool

	mu     sync.Mutex
	gone   chan struct{}
	reason string
	timers []*time.Timer
}

// newLine returns a line without a socket. who is its client, for faults.
func newLine(net *network.Network, who faults.Scope) *line {
	l := &line{who: who, tasks: net.Tasks, faults: net.Faults, log: net.Log, gone: make(chan struct{})}
	l.out = tasks.Mailbox[outgoing]{Spawn: net.Tasks.Spawn, Handle: l.perform, Limit: maxOutgoing}
	return l
}

// outgoing is one task of the writer.
type outgoing struct {
	payload []byte
	// written is called after the write, with the time just before it.
	written func(time.Time)
	// final is set on the last stanza: the connection closes this long after the write.
	final *time.Duration
	// close ends the connection instead of writing.
	close bool
}

// sleep waits and reports whether the connection is still open.
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

// Send queues a stanza. If the queue is full because the client does not read, the connection ends.
func (l *line) Send(node waBinary.Node) { l.enqueue(l.timed(node), nil, nil) }

// timed returns the stanza, with an impossible time if a fault says so.
func (l *line) timed(node waBinary.Node) waBinary.Node {
	switch node.Tag {
	case "message", "receipt", "call", "notification":
	default:
		return node
	}
	fault, odd := l.faults.Strike(faults.OddTime, l.who)
	if !odd {
		return node
	}
	node.Attrs = maps.Clone(node.Attrs)
	switch fault.Variant {
	case faults.VariantYear10000:
		node.Attrs["t"] = "253402300800"
	case faults.VariantBefore:
		node.Attrs["t"] = "-62135596801"
	case faults.VariantZero:
		node.Attrs["t"] = "0"
	default:
		node.Attrs["t"] = stanza.Attr(&node, "t") + "000"
	}
	return node
}

// SendLast queues the last stanza of the connection, which closes delay after the write.
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
		l.log.Error("could not encode a stanza", "tag", node.Tag, "err", err)
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
	// sealed uses the counter of the key, so only the writer may call it, in the order of the writes.
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

// end marks the connection as ended. It keeps the first reason, and returns false if there is one already.
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

// kill resets the connection and reports whether it was still open.
func (l *line) kill(reason string) bool {
	first := l.end(reason)
	l.drop()
	return first
}

// freeze makes a connection half open. It returns false if it was half open already.
func (l *line) freeze() bool { return l.frozen.CompareAndSwap(false, true) }

// sealed returns the encrypted frame of a stanza, or a malformed one if a fault says so. The key counters stay in step
// either way, so only this frame is lost. A wrong length, however, breaks the connection.
func (l *line) sealed(payload []byte) ([]byte, error) {
	fault, spoil := l.faults.Strike(faults.MalformedFrame, l.who)
	if !spoil {
		return l.ciphers.AppendSealed(nil, payload)
	}
	var err error
	switch fault.Variant {
	case faults.VariantNode:
		// A flag byte, and a list that announces 255 items but has none.
		payload = []byte{0, 0xF8, 0xFF}
	case faults.VariantTagless:
		// A flag byte, and a list with an empty list as its only item. whatsmeow's reader panics on it. A client that does
		// not recover in the reader crashes.
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
		// Announce 256 bytes more than there are.
		frame[1]++
	case faults.VariantGarbage, "":
		frame[len(frame)-1] ^= 1
	}
	return frame, nil
}

// bombSize is the decompressed size of a zlib bomb, in bytes.
const bombSize = 64 << 20

// nameless returns a pair-success stanza without the id that clients need for their answer. whatsmeow's handler panics
// on it. A client that does not recover in its handlers crashes.
func nameless() ([]byte, error) {
	return waBinary.Marshal(waBinary.Node{
		Tag: "iq", Attrs: waBinary.Attrs{"type": "set", "from": types.ServerJID}, Content: []waBinary.Node{{Tag: "pair-success"}},
	})
}

// zlibBomb returns a compressed stanza that clients ignore after decoding it. It is a valid stanza: a bomb of zeros
// only would be a list without a tag, on which whatsmeow's decoder panics.
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

// Leave ignores the client from now on and closes the connection after delay, unless the client closes it before.
func (l *line) Leave(delay time.Duration) {
	l.ending.Store(true)
	l.later(delay, func() { l.put(outgoing{close: true}) })
}
