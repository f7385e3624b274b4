package supervisor

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

// paceBound is how long one client run may hold its slot while it connects. A run that hangs loses the slot after it,
// so it delays the others once and never blocks them.
const paceBound = time.Second

// pacer bounds how many client runs connect at the same time. Without it a thousand runs that begin together share the
// processors evenly, and all of them are late: the first code would be answered when the last one is drawn. Runs that
// link a device have slots of their own, so that people never wait behind a fleet that reconnects.
type pacer struct {
	session.Dialer
	linked  chan struct{}     // slots of runs with stored credentials
	linking chan struct{}     // slots of runs that will show a code
	prepare func(code string) // draws a code before its run frees the slot; nil: nothing is drawn
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

// Open waits for a slot. The run frees it with its first input (a code, a login, or its end), or after paceBound.
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

// draw draws the picture of a code in the background, while the code goes to the session, and then calls settled.
func (p *pacer) draw(code string, settled func()) {
	p.tasks.Go(func() {
		defer settled()
		p.prepare(code)
	})
}
