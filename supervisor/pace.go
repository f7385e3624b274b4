package supervisor

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

// paceBound is how long one client run may hold its place while it connects. One that hangs then connects beside the
// others: it may slow them down once, never keep them waiting.
const paceBound = time.Second

// pacer lets a bounded number of client runs connect at the same time. Without it a thousand that begin together share
// the processors evenly, and all of them are late: the first code is answered when the last one is drawn. People who
// want to link a device have places of their own, so that they never stand in line behind a fleet that comes back.
type pacer struct {
	session.Dialer
	linked  chan struct{}     // places of runs with stored credentials
	linking chan struct{}     // places of runs that will show a code
	prepare func(code string) // draws a code before its run gives its place back; nil: nothing to prepare
	tasks   *sync.WaitGroup
}

func newPacer(dialer session.Dialer, places int, prepare func(string), tasks *sync.WaitGroup) session.Dialer {
	if places <= 0 {
		return dialer
	}
	return &pacer{
		Dialer: dialer, prepare: prepare, tasks: tasks,
		linked: make(chan struct{}, places), linking: make(chan struct{}, places),
	}
}

// Open waits for a place, which the run gives back once it has come to a code, to its login, or to its end.
func (p *pacer) Open(ctx context.Context, run session.Run) (session.Client, error) {
	places := p.linking
	if run.Linked {
		places = p.linked
	}
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return nil, &session.Error{Code: session.CodeDisconnected, Op: "wait to connect", Session: run.Session, Err: ctx.Err()}
	}
	leave := sync.OnceFunc(func() { <-places })
	timer := time.AfterFunc(paceBound, leave)
	settled := func() {
		timer.Stop()
		leave()
	}
	post := run.Post
	run.Post = func(in session.Input) {
		if in.Kind == session.QRIssued && len(in.Codes) > 0 && p.prepare != nil {
			p.draw(in.Codes[0], settled)
		} else {
			settled()
		}
		post(in)
	}
	client, err := p.Dialer.Open(ctx, run)
	if err != nil {
		settled()
	}
	return client, err
}

// draw prepares the picture of a code while the code is on its way to whoever asked for it.
func (p *pacer) draw(code string, settled func()) {
	p.tasks.Go(func() {
		defer settled()
		p.prepare(code)
	})
}
