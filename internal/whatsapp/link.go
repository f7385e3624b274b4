package whatsapp

import (
	"io"
	"sync"
	"time"
)

// lingerFor is how long the end of a connection is withheld from whatsmeow. whatsmeow drops the stanzas it has
// received but not yet handled when the connection ends, and the last one before the end is the one that says why: a
// server that closes right after it would make a logout look like a network failure and leave a pairing hanging
// without any event.
const lingerFor = 200 * time.Millisecond

// handshakeFrames is how many messages whatsmeow sends in a handshake: its hello, and what ends it.
const handshakeFrames = 2

// unanswered is a WebSocket message that no handshake response can be: one frame with one byte that is no protobuf.
// whatsmeow waits 20 s for the handshake response whatever happens to the socket or to its context, holding its
// socket lock; being handed this instead ends the wait at once.
var unanswered = []byte{0x82, 0x04, 0x00, 0x00, 0x01, 0xff}

// link is the byte stream of one connection, between the HTTP transport and whatsmeow's WebSocket. It changes nothing
// that is on the wire; it changes when whatsmeow learns of the end:
//   - the server's end comes lingerFor late, so that whatsmeow has handled every stanza before it;
//   - an end before the server's first byte breaks whatsmeow's wait for the handshake;
//   - what follows the handshake waits until we are ready for it (admit);
//   - our own end waits until whatsmeow's reader has handed everything on (a reader interrupted in between is stuck for
//     ever), and does not wait for the server's goodbye.
type link struct {
	conn  io.ReadWriteCloser
	onEnd func() // called once, on the reader's goroutine, when whatsmeow is about to learn of the end
	over  chan struct{}
	ready chan struct{} // closed by admit
	idle  chan struct{} // told, while holding, that the reader has come back for more

	// The WebSocket library has one reader and one writer at a time.
	in, out frameScanner
	rest    []byte // the server's close frame, withheld

	mu       sync.Mutex
	finished bool // over is closed
	heard    bool // something of the server was handed on
	broken   bool // the handshake was never answered
	parked   bool // the reader is in Read
	holding  bool // we are closing: nothing is handed on any more
	ended    bool // whatsmeow was told of the end, and takes its socket down by itself
	muted    bool // nothing is written any more
	shaken   bool // our part of the handshake is written
}

func newLink(conn io.ReadWriteCloser, onEnd func()) *link {
	return &link{conn: conn, onEnd: onEnd, over: make(chan struct{}), ready: make(chan struct{}), idle: make(chan struct{}, 1)}
}

// Read hands on what the server sent.
func (l *link) Read(p []byte) (int, error) {
	if !l.park() {
		return l.drop()
	}
	switch {
	case l.isEnded():
		return l.readAfterEnd(p)
	case len(l.rest) > 0: // came in one piece with what was delivered last
		return l.end(p, nil)
	}
	n, err := l.conn.Read(p)
	whole := l.in.scan(p[:n])
	if whole < n {
		l.rest = append([]byte(nil), p[whole:n]...)
	}
	switch {
	case whole > 0: // a close frame behind it is in rest, an error comes again
		return l.deliver(whole)
	case n == 0 && err == nil:
		return l.deliver(0)
	default:
		return l.end(p, err)
	}
}

// Write passes our bytes on. Once our own close frame is out there is nothing to wait for.
func (l *link) Write(p []byte) (int, error) {
	goodbye := l.out.scan(p) < len(p)
	if l.out.data >= handshakeFrames {
		l.mu.Lock()
		l.shaken = true
		l.mu.Unlock()
	}
	n, err := len(p), error(nil)
	if !l.isMuted() {
		n, err = l.conn.Write(p)
	}
	if goodbye {
		_ = l.finish()
	}
	return n, err
}

// admit lets in what the server sends after the handshake.
func (l *link) admit() { close(l.ready) }

// gate waits for that.
func (l *link) gate() {
	l.mu.Lock()
	shaken := l.shaken
	l.mu.Unlock()
	if !shaken {
		return
	}
	select {
	case <-l.ready:
	case <-l.over:
	}
}

// mute lets nothing out any more: what whatsmeow still has to say would acknowledge what was not kept. The connection is
// about to be closed.
func (l *link) mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.muted = true
}

func (l *link) isMuted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.muted
}

// Close is called by the WebSocket library when it gives the connection up.
func (l *link) Close() error { return l.finish() }

func (l *link) park() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parked = true
	if l.holding {
		select {
		case l.idle <- struct{}{}:
		default:
		}
		return false
	}
	return true
}

func (l *link) isEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *link) deliver(n int) (int, error) {
	l.gate()
	l.mu.Lock()
	if l.holding {
		l.mu.Unlock()
		return l.drop()
	}
	l.parked = false
	l.heard = l.heard || n > 0
	l.mu.Unlock()
	return n, nil
}

// drop is Read while we are closing: what still comes is not wanted, and the end comes after our goodbye.
func (l *link) drop() (int, error) {
	<-l.over
	return 0, io.EOF
}

func (l *link) end(p []byte, err error) (int, error) {
	l.mu.Lock()
	unheard := !l.heard && !l.holding && len(p) >= len(unanswered)
	if unheard {
		l.heard, l.broken, l.parked = true, true, false
		l.rest = nil
	}
	l.mu.Unlock()
	if unheard {
		return copy(p, unanswered), nil
	}
	l.linger()
	l.mu.Lock()
	if l.holding {
		l.mu.Unlock()
		return l.drop()
	}
	l.ended, l.parked = true, false
	l.mu.Unlock()
	if l.onEnd != nil {
		l.onEnd()
	}
	if len(l.rest) > 0 {
		return l.readAfterEnd(p)
	}
	return 0, err
}

func (l *link) linger() {
	timer := time.NewTimer(lingerFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.over:
	}
}

func (l *link) readAfterEnd(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return l.conn.Read(p)
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// hold stops handing anything on and waits, for no longer than bound, until the reader has handed on what it has. It
// reports false if whatsmeow already knows of the end: then its socket takes itself down, and telling whatsmeow to
// disconnect as well would race with that.
func (l *link) hold(bound time.Duration) bool {
	l.mu.Lock()
	if l.ended || l.finished {
		l.mu.Unlock()
		return false
	}
	l.holding = true
	parked := l.parked
	l.mu.Unlock()
	if parked {
		return true
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-l.idle:
	case <-l.over:
	case <-timer.C:
	}
	return true
}

// unansweredEnd reports that the connection ended before the server had said anything.
func (l *link) unansweredEnd() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// finish closes the connection and lets every reader go. It is idempotent.
func (l *link) finish() error {
	l.mu.Lock()
	first := !l.finished
	if first {
		l.finished = true
		close(l.over)
	}
	l.mu.Unlock()
	if !first {
		return nil
	}
	return l.conn.Close()
}
