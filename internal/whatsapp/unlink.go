package whatsapp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
)

// Defaults of Config.
const (
	DefaultUnlinkPause = 5 * time.Second
	DefaultUnlinkFor   = 7 * 24 * time.Hour
)

const (
	unlinkTimeout = 40 * time.Second // of one attempt: a login and a request
	// unlinksAtOnce is how many attempts run at the same time, so that a login that hangs does not hold up the others.
	unlinksAtOnce = 4
	// unlinkGrowth is how many times longer than the first the longest pause between two attempts is: 30 minutes.
	unlinkGrowth = 360
	// unlinkIdle is the pause while there is nothing to unlink. Detach and the end of an attempt end it.
	unlinkIdle = time.Hour
)

var (
	// errElsewhere ends the attempts: another process uses the credentials, and would lose its connection to each of them.
	errElsewhere = errors.New("another connection uses this device")
	// errRefusedVersion says nothing about the device.
	errRefusedVersion = errors.New("WhatsApp refuses this client version")
	// errTakenOver ends an attempt: WhatsApp has given the device's number to a new device.
	errTakenOver = errors.New("the device number is linked anew")
)

// bannedError is the outcome of a login during a temporary ban.
type bannedError struct {
	detail string
	until  time.Time // zero: not known
}

func (e *bannedError) Error() string { return e.detail }

// unlinker unlinks devices whose session was logged out or deleted while it was not connected. Such a device is detached
// from its session first: its credentials stay, only for one short login, and belong to no session. The marks are in the
// database, so a restart of the process does not lose them.
//
// WhatsApp gives the number of a removed device to the next one. The credentials of both have the same JID in the
// database, so whoever replaces or deletes credentials holds the JID.
type unlinker struct {
	dialer *Dialer
	wake   chan struct{} // of size 1: a device was detached, or an attempt has ended

	mu       sync.Mutex
	holds    map[string]*hold // by JID
	attempts int              // that run
}

// hold is the right to use the credentials under one JID.
type hold struct {
	cancel context.CancelCauseFunc
	over   chan struct{}
}

func newUnlinker(d *Dialer) *unlinker {
	return &unlinker{dialer: d, wake: make(chan struct{}, 1), holds: make(map[string]*hold)}
}

// Detach implements session.Dialer.
func (d *Dialer) Detach(ctx context.Context, id session.ID) error {
	const op = "detach device"
	if _, err := d.begin(op, id); err != nil {
		return err
	}
	defer d.closings.Done()
	if err := d.devices.DetachDevice(ctx, id); err != nil {
		return codes.StoreError(op, id, err)
	}
	d.unlinker.look()
	return nil
}

// look makes work look for devices whose time has come.
func (u *unlinker) look() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// work unlinks the marked devices until the dialer stops.
func (u *unlinker) work(t *tables) {
	defer u.dialer.closings.Done()
	for {
		timer := time.NewTimer(u.round(t))
		select {
		case <-timer.C:
		case <-u.wake:
		case <-u.dialer.life.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// round begins an attempt for each device whose time has come, and returns the pause until the next one.
func (u *unlinker) round(t *tables) time.Duration {
	marks, err := u.dialer.devices.ToUnlink(u.dialer.life)
	if err != nil {
		if u.dialer.life.Err() == nil {
			u.dialer.log.Warn("the devices to unlink could not be read", "op", "unlink", "err", err)
		}
		return u.dialer.config.UnlinkPause
	}
	pause := unlinkIdle
	for _, mark := range marks {
		wait := time.Until(mark.Next)
		if wait <= 0 {
			wait = u.begin(t, mark)
		}
		if wait > 0 {
			pause = min(pause, wait)
		}
	}
	return pause
}

// begin begins an attempt. It returns how long WhatsApp's refusal of the client version holds up all attempts. It does
// nothing if enough attempts run, or somebody holds the JID: their end makes work look again.
func (u *unlinker) begin(t *tables, mark session.Detached) (wait time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.attempts >= unlinksAtOnce || u.holds[mark.Device] != nil {
		return 0
	}
	if wait = u.dialer.acceptance.admit(); wait > 0 {
		return wait
	}
	ctx, release := u.hold(mark.Device)
	u.attempts++
	u.dialer.closings.Go(func() {
		u.try(ctx, t, mark)
		u.mu.Lock()
		u.attempts--
		u.mu.Unlock()
		release()
	})
	return 0
}

// hold takes a JID that nobody holds, until release. ctx ends when somebody else wants it. The caller has the lock.
func (u *unlinker) hold(device string) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(u.dialer.life)
	h := &hold{cancel, make(chan struct{})}
	u.holds[device] = h
	return ctx, func() {
		cancel(nil)
		u.mu.Lock()
		delete(u.holds, device)
		u.mu.Unlock()
		close(h.over)
		u.look()
	}
}

// takeOver holds the JID of a device that is being linked or forgotten. It ends an attempt to unlink an older device under
// this JID, and returns when the attempt is over.
func (u *unlinker) takeOver(ctx context.Context, jid types.JID) (release func(), err error) {
	device := jid.String()
	for {
		u.mu.Lock()
		other := u.holds[device]
		if other == nil {
			_, release = u.hold(device)
			u.mu.Unlock()
			return release, nil
		}
		u.mu.Unlock()
		other.cancel(errTakenOver)
		select {
		case <-other.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try makes one attempt and stores its outcome. ctx ends when the device's number is linked anew: then nothing is left to
// do.
func (u *unlinker) try(ctx context.Context, t *tables, mark session.Detached) {
	log := u.dialer.log.With("session", mark.Session, "op", "unlink")
	marked, err := u.dialer.devices.MarkedToUnlink(ctx, mark.Device)
	if err == nil && !marked {
		return // the device was linked anew after the marks were read
	}
	if err == nil {
		err = u.unlink(ctx, t, mark)
	}
	if ctx.Err() != nil {
		return // also at the end of the process: the next one tries again
	}
	mark.Attempts++
	switch {
	case err == nil:
		log.Info("a device of a session that was logged out is unlinked", "attempts", mark.Attempts)
	case errors.Is(err, errElsewhere), time.Since(mark.Since) > u.dialer.config.UnlinkFor:
		log.Error("a device could not be unlinked and is given up: the phone lists it until a person removes it there", "attempts", mark.Attempts, "err", err)
	case errors.Is(err, errRefusedVersion):
		log.Warn("no device is unlinked until WhatsApp accepts a client version", "err", err)
		return
	default:
		u.postpone(ctx, log, mark, err)
		return
	}
	if err := u.erase(ctx, t, mark); err != nil && ctx.Err() == nil {
		log.Error("the credentials of a device that is unlinked could not be deleted", "err", err)
		u.sleep(ctx)
	}
}

// postpone stores a failed attempt. The next one comes after a pause, and not before the end of a temporary ban.
func (u *unlinker) postpone(ctx context.Context, log *slog.Logger, mark session.Detached, reason error) {
	first := u.dialer.config.UnlinkPause
	next := time.Now().Add(session.Backoff{First: first, Longest: unlinkGrowth * first}.Step(mark.Attempts))
	if ban := (*bannedError)(nil); errors.As(reason, &ban) && ban.until.After(next) {
		next = ban.until
	}
	log.Warn("a device could not be unlinked yet", "attempts", mark.Attempts, "pause", time.Until(next).Round(time.Millisecond), "err", reason)
	if err := u.dialer.devices.UnlinkFailed(ctx, mark.Device, mark.Attempts, next); err != nil && ctx.Err() == nil {
		log.Warn("the failed attempt could not be stored", "err", err)
		u.sleep(ctx)
	}
}

// sleep pauses an attempt whose outcome could not be stored: its mark is due, and would be tried again at once.
func (u *unlinker) sleep(ctx context.Context) {
	timer := time.NewTimer(u.dialer.config.UnlinkPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// erase deletes the mark and the credentials. Credentials without a mark are those of a new device.
func (u *unlinker) erase(ctx context.Context, t *tables, mark session.Detached) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return u.dialer.config.Commit(ctx, func(ctx context.Context) error {
		marked, err := u.dialer.devices.UnlinkOver(ctx, mark.Device)
		if err != nil || !marked {
			return err
		}
		jid, err := types.ParseJID(mark.Device)
		if err != nil {
			return nil //nolint:nilerr // no credentials are stored under something that is no JID
		}
		return t.container.DeleteDevice(ctx, &store.Device{ID: &jid})
	})
}

// unlink logs the device in, once, and unlinks it. It returns nil if WhatsApp does not know the device any more.
func (u *unlinker) unlink(ctx context.Context, t *tables, mark session.Detached) error {
	d := u.dialer
	ctx, cancel := context.WithTimeout(ctx, unlinkTimeout)
	defer cancel()
	jid, err := types.ParseJID(mark.Device)
	if err != nil {
		return nil // no such device can be logged in
	}
	device, err := t.container.GetDevice(ctx, jid)
	if err != nil || device == nil {
		return err
	}
	device.PreKeys = batchedPreKeys{device.PreKeys, t.db}
	way, err := d.routes.Through(mark.Session, mark.Proxy)
	if err != nil {
		return err
	}
	if d.acceptance.refused() {
		d.refreshBefore(ctx, mark.Session, way)
	}
	inputs := make(chan session.Input, 1)
	run := session.Run{Session: mark.Session, Linked: true, Post: func(in session.Input) {
		select {
		case inputs <- in: // the first one says whether the login succeeded
		default:
		}
	}}
	c := newClient(ctx, d, t, run, device, way, func() {})
	// What arrives belongs to no session any more, and the account is not the one that the session is linked to.
	c.receiving.journal, c.claim = nil, nil
	defer c.Close()
	if err = c.connect(ctx); err != nil {
		return err
	}
	select {
	case in := <-inputs:
		return c.leave(ctx, in)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave unlinks the device if the login has succeeded. in is the first input of the run.
func (c *Client) leave(ctx context.Context, in session.Input) error {
	switch in.Kind {
	case session.SocketUp:
		return c.Unlink(ctx)
	case session.LoggedOut, session.Banned:
		return nil
	case session.Replaced:
		return errElsewhere
	case session.ClientOutdated:
		return errRefusedVersion
	case session.TempBanned:
		return &bannedError{in.Detail, in.Until}
	default:
		return errors.New(in.Detail)
	}
}
