package whatsapp

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
	"wasup/internal/whatsapp/routes"
)

// refreshLimit bounds a look-up of the version before a login.
const refreshLimit = 10 * time.Second

// acceptance knows from the logins of all runs whether WhatsApp accepts this version of the client. While it does not,
// the supervisor's circuit breaker holds back the sessions, and acceptance holds back the logins that belong to no session.
type acceptance struct {
	pause    session.Backoff
	accepted func() // WhatsApp accepts a version again; it must not block

	mu       sync.Mutex
	refusals int       // since a login was accepted
	due      time.Time // from when one login may find out whether WhatsApp accepts a version, if no session does
}

// note takes the inputs of all runs.
func (a *acceptance) note(kind session.InputKind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch kind {
	case session.ClientOutdated:
		a.refusals++
		a.due = time.Now().Add(a.pause.Step(a.refusals))
	case session.SocketUp, session.QRIssued: // WhatsApp has seen the client's version by then
		if a.refusals > 0 {
			a.refusals = 0
			a.accepted()
		}
	default:
	}
}

// refused reports whether WhatsApp has refused the version since it last accepted one.
func (a *acceptance) refused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusals > 0
}

// admit returns 0 if a login that belongs to no session may be made now, and otherwise how long to wait. While the version
// is refused, it admits one login after each pause.
func (a *acceptance) admit() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusals == 0 {
		return 0
	}
	now := time.Now()
	if wait := a.due.Sub(now); wait > 0 {
		return wait
	}
	a.due = now.Add(a.pause.Step(a.refusals))
	return 0
}

// refreshBefore looks up the newest version before a login that is to find out whether WhatsApp accepts it: perhaps no
// session runs that would.
func (d *Dialer) refreshBefore(ctx context.Context, id session.ID, way *routes.Route) {
	ctx, cancel := context.WithTimeout(ctx, refreshLimit)
	defer cancel()
	version, changed, err := d.refreshThrough(ctx, id, way)
	if err != nil {
		d.log.Warn("the newest client version could not be looked up", "op", "refresh version", "code", session.CodeOf(err), "err", err)
		return
	}
	d.log.Info("looked up the newest client version", "op", "refresh version", "version", version, "changed", changed)
}
