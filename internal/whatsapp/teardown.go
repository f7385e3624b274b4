package whatsapp

import (
	"context"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"

	"wasup/internal/whatsapp/link"
	"wasup/internal/whatsapp/ratchet"
	"wasup/internal/whatsapp/stanzas"
)

const (
	closeTimeout = 5 * time.Second // limit of Close
	quietTimeout = time.Second     // limit for whatsmeow's reader to become idle, within closeTimeout
)

// teardown ends a run once, and waits for every goroutine that the run started. whatsmeow's own goroutines end with the
// connection and the run's context.
type teardown struct {
	run          *run
	wa           *whatsmeow.Client
	conn         *attempt
	stanzas      *stanzas.Queue
	ratchet      *ratchet.Ratchet // nil if the run began without a linked device
	releaseRoute func()
	backlog      *backlog
	leave        func()          // detaches the run from the dialer's context
	closings     *sync.WaitGroup // the dialer's runs that are not taken down yet, and its calls
	done         chan struct{}   // closed when the run is taken down

	mu      sync.Mutex
	unwatch func() bool // stops watching the caller's context
}

// watch closes the run when ctx ends.
func (t *teardown) watch(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unwatch = context.AfterFunc(ctx, t.close)
}

func (t *teardown) stopWatching() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unwatch != nil {
		t.unwatch()
	}
}

// close is Client.Close. From now on nothing that whatsmeow hands over is stored, so WhatsApp delivers it again. The
// handler stays registered: without a handler whatsmeow takes everything for handled, and a message that it marks as
// handled is not decrypted again.
func (t *teardown) close() {
	if t.run.step(runInput{kind: inputCloseAsked}) {
		close(t.run.closing)
		t.stopWatching()
		go t.takeDown()
	}
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
		t.run.log.Warn("the client did not close in time")
	}
}

// takeDown ends the connection first and the context afterwards; see run.ctx.
func (t *teardown) takeDown() {
	defer t.closings.Done()
	defer close(t.done)
	defer t.run.step(runInput{kind: inputTakenDown})
	defer t.leave()
	defer t.releaseRoute()
	defer t.run.recovered("close")
	t.stanzas.Stop()
	t.backlog.stop()
	if l := t.conn.current(); l != nil {
		t.disconnect(l)
	}
	t.run.end()
	t.stanzas.Wait()
	t.run.tasks.Wait()
	if t.ratchet != nil {
		t.ratchet.Close()
	}
}

func (t *teardown) disconnect(l *link.Link) {
	defer func() { _ = l.Close() }()
	if !l.HoldReader(quietTimeout) {
		expectDisconnect(t.wa)
		return
	}
	// Disconnect writes a close frame, for which the WebSocket library allows 5 s. A server that does not read must not
	// delay us that long.
	timer := time.AfterFunc(quietTimeout, func() { _ = l.Close() })
	defer timer.Stop()
	failRequests(t.wa)
	t.wa.Disconnect()
}
