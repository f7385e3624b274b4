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
	closeTimeout = 5 * time.Second // of Close
	quietTimeout = time.Second     // for whatsmeow's reader to come to rest, as part of it
)

// teardown ends a run, once, and waits for every goroutine that the run started. Those that whatsmeow started for itself
// end by themselves with the connection and the run's context.
type teardown struct {
	run          *run
	wa           *whatsmeow.Client
	conn         *attempt
	stanzas      *stanzas.Queue
	ratchet      *ratchet.Ratchet // nil where the run has none
	releaseRoute func()
	leave        func()          // ends with the dialer no more
	closings     *sync.WaitGroup // of the dialer, which waits for all its runs
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

// close is Client.Close. What whatsmeow still hands over is not kept from here on, and so comes again. The handler stays:
// without one whatsmeow takes everything for handled, and a message that it marks so is not decrypted again.
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
		t.run.log.Warn("the client is slow to close")
	}
}

// takeDown ends the connection first and the context after it; see run.ctx.
func (t *teardown) takeDown() {
	defer t.closings.Done()
	defer close(t.done)
	defer t.run.step(runInput{kind: inputTakenDown})
	defer t.leave()
	defer t.releaseRoute()
	defer t.run.recovered("close")
	t.stanzas.Stop()
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
	// Disconnect writes a close frame, for which the WebSocket library allows 5 s: a peer that does not read must not
	// hold us up that long.
	timer := time.AfterFunc(quietTimeout, func() { _ = l.Close() })
	defer timer.Stop()
	failRequests(t.wa)
	t.wa.Disconnect()
}
