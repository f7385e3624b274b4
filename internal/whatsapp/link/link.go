// Package link stands between the HTTP transport's byte stream and whatsmeow's WebSocket.
//
// It owns when whatsmeow gets the server's bytes and when it learns that the connection ended. The bytes on the wire
// stay the same. It knows neither whatsmeow's types nor sessions.
package link

import (
	"io"
	"sync"
	"time"
)

// lingerFor is how long the end of a connection is withheld from whatsmeow. When the connection ends, whatsmeow drops
// the stanzas that it has received but not handled yet. The last stanza often says why the server closes. Without the
// delay, a logout could look like a network failure, and a pairing could hang without any event.
const lingerFor = 200 * time.Millisecond

// handshakeFrames is how many messages whatsmeow sends in a handshake: the client hello and the client finish.
const handshakeFrames = 2

// brokenResponse is a WebSocket frame that cannot be a handshake response: its one payload byte after the length is not
// valid protobuf. whatsmeow waits 20 s for the handshake response, even if the socket closes or its context ends, and
// holds its socket lock meanwhile. Reading this frame makes it fail at once.
var brokenResponse = []byte{0x82, 0x04, 0x00, 0x00, 0x01, 0xff}

// Link is one connection. It controls when whatsmeow learns of the connection's end:
//   - The server's end reaches whatsmeow lingerFor later, so that whatsmeow can handle every stanza before it.
//   - If the connection ends before the server's first byte, Link makes whatsmeow's handshake fail at once.
//   - Frames after the handshake are held back until AdmitFrames is called.
//   - When we close the connection, Link first waits until whatsmeow's reader has handed everything on: a reader that
//     is interrupted in between hangs forever. It does not wait for the server's close frame.
type Link struct {
	conn  io.ReadWriteCloser
	onEnd func()        // called once, on the reader's goroutine, just before whatsmeow learns of the end; may be nil
	over  chan struct{} // closed by Close
	ready chan struct{} // closed by AdmitFrames
	idle  chan struct{} // signalled when the reader comes back for more while the link is held

	// The WebSocket library has one reader and one writer at a time.
	in, out frameScanner
	rest    []byte // the server's close frame, which is withheld
	settled bool   // awaitHandshake has waited; only the reader uses it

	mu               sync.Mutex
	phase            phase
	unanswered       bool // the server never answered the handshake
	reading          bool // the reader is in Read
	writesDropped    bool // Write discards everything
	handshakeWritten bool // our part of the handshake is sent
}

// New wraps a connection. onEnd is called once, on the reader's goroutine, just before whatsmeow learns of the end. It
// may be nil.
func New(conn io.ReadWriteCloser, onEnd func()) *Link {
	return &Link{
		conn: conn, onEnd: onEnd, over: make(chan struct{}), ready: make(chan struct{}), idle: make(chan struct{}, 1), phase: phaseSilent,
	}
}

// Read implements io.Reader for whatsmeow's WebSocket.
func (l *Link) Read(p []byte) (int, error) {
	switch l.enterRead() {
	case phaseHeld:
		return l.awaitClose()
	case phaseEnded:
		return l.readAfterEnd(p)
	default:
	}
	if len(l.rest) > 0 { // the close frame arrived together with the last bytes that were delivered
		return l.endRead(p, nil)
	}
	n, err := l.conn.Read(p)
	whole := l.in.scan(p[:n])
	if whole < n {
		l.rest = append([]byte(nil), p[whole:n]...)
	}
	switch {
	case whole > 0: // a close frame behind these bytes is in rest; the next Read returns the error again
		return l.deliver(whole)
	case n == 0 && err == nil:
		return l.deliver(0)
	default:
		return l.endRead(p, err)
	}
}

// Write sends whatsmeow's bytes. After our own close frame it closes the connection, because nothing is left to wait
// for.
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

// AdmitFrames delivers the frames after the handshake to the reader from now on. Call it once.
func (l *Link) AdmitFrames() { close(l.ready) }

// awaitAdmission waits for AdmitFrames or Close, if our part of the handshake is already sent.
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

// DropWrites discards everything that is written from now on: whatsmeow would acknowledge stanzas that were not stored.
// The caller is about to close the connection.
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

// leaveRead reports whether the reader may return to whatsmeow in the link's phase, and steps the phase if it may.
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

// awaitClose is Read while the link is held. It discards what the server still sends and returns io.EOF after Close.
func (l *Link) awaitClose() (int, error) {
	<-l.over
	l.awaitHandshake()
	return 0, io.EOF
}

// awaitHandshake waits for AdmitFrames if the server has answered the handshake, for as long as whatsmeow may need to set
// up its socket after that: it does so without a lock, and learning of our Close at the same moment would be a data race.
func (l *Link) awaitHandshake() {
	l.mu.Lock()
	answered := l.phase != phaseSilent && !l.unanswered
	l.mu.Unlock()
	if !answered || l.settled {
		return
	}
	l.settled = true
	timer := time.NewTimer(lingerFor)
	defer timer.Stop()
	select {
	case <-l.ready:
	case <-timer.C:
	}
}

// endRead is Read at the end of the connection.
func (l *Link) endRead(p []byte, err error) (int, error) {
	if len(p) >= len(brokenResponse) && l.leaveRead(inputUnanswered) {
		l.rest = nil
		return copy(p, brokenResponse), nil
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
		l.awaitHandshake()
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

// HoldReader stops delivering to whatsmeow. It waits until the reader has handed on what it has already got, but no
// longer than bound. It returns false if whatsmeow already knows that the connection ended: its socket then closes
// itself, and a call to Disconnect would race with that.
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

// HandshakeUnanswered reports whether the connection ended before the server had sent a byte.
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

// Close closes the connection and releases every waiting reader. It is idempotent, because the WebSocket library also
// calls it when it gives up a connection.
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
