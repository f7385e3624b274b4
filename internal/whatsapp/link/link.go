// Package link is the byte stream between the HTTP transport and whatsmeow's WebSocket.
//
// It owns when whatsmeow learns of what the server sent and of the connection's end, and changes nothing that is on the
// wire. It knows neither whatsmeow nor sessions.
package link

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

// Link is one connection. It changes when whatsmeow learns of the end:
//   - the server's end comes lingerFor late, so that whatsmeow has handled every stanza before it;
//   - an end before the server's first byte breaks whatsmeow's wait for the handshake;
//   - what follows the handshake waits until we are ready for it (AdmitFrames);
//   - our own end waits until whatsmeow's reader has handed everything on (a reader interrupted in between is stuck for
//     ever), and does not wait for the server's goodbye.
type Link struct {
	conn  io.ReadWriteCloser
	onEnd func()        // called once, on the reader's goroutine, when whatsmeow is about to learn of the end
	over  chan struct{} // closed by Close
	ready chan struct{} // closed by AdmitFrames
	idle  chan struct{} // told, while the link is held, that the reader has come back for more

	// The WebSocket library has one reader and one writer at a time.
	in, out frameScanner
	rest    []byte // the server's close frame, withheld

	mu               sync.Mutex
	phase            phase
	unanswered       bool // the handshake was never answered
	reading          bool // the reader is in Read
	writesDropped    bool // nothing is written any more
	handshakeWritten bool // our part of the handshake
}

// New puts a link around a connection. onEnd is called once, on the reader's goroutine, when whatsmeow is about to learn of
// the end; nil: nobody is told.
func New(conn io.ReadWriteCloser, onEnd func()) *Link {
	return &Link{
		conn: conn, onEnd: onEnd, over: make(chan struct{}), ready: make(chan struct{}), idle: make(chan struct{}, 1), phase: phaseSilent,
	}
}

// Read hands on what the server sent.
func (l *Link) Read(p []byte) (int, error) {
	switch l.enterRead() {
	case phaseHeld:
		return l.awaitClose()
	case phaseEnded:
		return l.readAfterEnd(p)
	default:
	}
	if len(l.rest) > 0 { // came in one piece with what was delivered last
		return l.endRead(p, nil)
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
		return l.endRead(p, err)
	}
}

// Write passes our bytes on. Once our own close frame is out there is nothing to wait for.
func (l *Link) Write(p []byte) (int, error) {
	goodbye := l.out.scan(p) < len(p)
	l.mu.Lock()
	l.handshakeWritten = l.handshakeWritten || l.out.data >= handshakeFrames
	dropped := l.writesDropped
	l.mu.Unlock()
	n, err := len(p), error(nil)
	if !dropped {
		n, err = l.conn.Write(p)
	}
	if goodbye {
		_ = l.Close()
	}
	return n, err
}

// AdmitFrames lets in what the server sends after the handshake.
func (l *Link) AdmitFrames() { close(l.ready) }

// awaitAdmission waits for that.
func (l *Link) awaitAdmission() {
	l.mu.Lock()
	waits := l.handshakeWritten
	l.mu.Unlock()
	if !waits {
		return
	}
	select {
	case <-l.ready:
	case <-l.over:
	}
}

// DropWrites lets nothing out any more: what whatsmeow still has to say would acknowledge what was not kept. The
// connection is about to be closed.
func (l *Link) DropWrites() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writesDropped = true
}

func (l *Link) enterRead() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = true
	if l.phase == phaseHeld {
		select {
		case l.idle <- struct{}{}:
		default:
		}
	}
	return l.phase
}

// leaveRead lets the reader go back to whatsmeow, unless the link's phase forbids it.
func (l *Link) leaveRead(why input) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, may := l.phase.after(why)
	if !may {
		return false
	}
	l.phase, l.reading = next, false
	l.unanswered = l.unanswered || why == inputUnanswered
	return true
}

func (l *Link) deliver(n int) (int, error) {
	l.awaitAdmission()
	why := inputHandedOn
	if n == 0 {
		why = inputReadNothing
	}
	if !l.leaveRead(why) {
		return l.awaitClose()
	}
	return n, nil
}

// awaitClose is Read while the link is held: what still comes is not wanted, and the end comes after our goodbye.
func (l *Link) awaitClose() (int, error) {
	<-l.over
	return 0, io.EOF
}

// endRead is Read at the end of the connection.
func (l *Link) endRead(p []byte, err error) (int, error) {
	if len(p) >= len(unanswered) && l.leaveRead(inputUnanswered) {
		l.rest = nil
		return copy(p, unanswered), nil
	}
	l.linger()
	if !l.leaveRead(inputEndReached) {
		return l.awaitClose()
	}
	if l.onEnd != nil {
		l.onEnd()
	}
	if len(l.rest) > 0 {
		return l.readAfterEnd(p)
	}
	return 0, err
}

func (l *Link) linger() {
	timer := time.NewTimer(lingerFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.over:
	}
}

func (l *Link) readAfterEnd(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return l.conn.Read(p)
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// HoldReader stops handing anything on and waits, for no longer than bound, until the reader has handed on what it has. It
// reports false if whatsmeow already knows of the end: then its socket takes itself down, and telling whatsmeow to
// disconnect as well would race with that.
func (l *Link) HoldReader(bound time.Duration) bool {
	l.mu.Lock()
	next, may := l.phase.after(inputHoldAsked)
	if !may || l.isOver() {
		l.mu.Unlock()
		return false
	}
	l.phase = next
	atRest := l.reading
	l.mu.Unlock()
	if atRest {
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

// HandshakeUnanswered reports that the connection ended before the server had said anything.
func (l *Link) HandshakeUnanswered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unanswered
}

func (l *Link) isOver() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// Close closes the connection and lets every reader go. It is idempotent: the WebSocket library calls it, too, when it
// gives the connection up.
func (l *Link) Close() error {
	l.mu.Lock()
	first := !l.isOver()
	if first {
		close(l.over)
	}
	l.mu.Unlock()
	if !first {
		return nil
	}
	return l.conn.Close()
}
