package whatsapp

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
)

// Defaults of Config.
const (
	DefaultUnlinkPause = 5 * time.Second
	DefaultUnlinkFor   = 7 * 24 * time.Hour
)

const (
	unlinkTimeout = 40 * time.Second // of one attempt: a login and a request
	// unlinkGrowth is how many times longer than the first the longest pause between two attempts is: 30 minutes.
	unlinkGrowth = 360
	// unlinkIdle is the pause while there is nothing to unlink. Detach ends it.
	unlinkIdle = time.Hour
)

// errElsewhere ends the attempts: another process uses the credentials, and would lose its connection to each of them.
var errElsewhere = errors.New("another connection uses this device")

// unlinker unlinks devices whose session was logged out or deleted while it was not connected. Such a device is detached
// from its session first: its credentials stay, only for one short login, and belong to no session. The marks are in the
// database, so a restart of the process does not lose them. One device is unlinked at a time.
type unlinker struct {
	dialer *Dialer
	wake   chan struct{} // of size 1: a device was detached
}

// Detach implements session.Dialer.
func (d *Dialer) Detach(ctx context.Context, id session.ID) error {
	const op = "detach device"
	if _, err := d.begin(op, id); err != nil {
		return err
	}
	defer d.closings.Done()
	if err := d.devices.DetachDevice(ctx, id); err != nil {
		return storeError(op, id, err)
	}
	select {
	case d.unlinker.wake <- struct{}{}:
	default:
	}
	return nil
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

// round tries each device whose time has come, and returns the pause until the next one.
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
		if wait := time.Until(mark.Next); wait > 0 {
			pause = min(pause, wait)
			continue
		}
		if u.dialer.life.Err() != nil {
			break
		}
		pause = min(pause, u.try(t, mark))
	}
	return pause
}

// try makes one attempt and stores its outcome. It returns the pause until the next one.
func (u *unlinker) try(t *tables, mark session.Detached) time.Duration {
	log := u.dialer.log.With("session", mark.Session, "op", "unlink")
	err := u.unlink(t, mark)
	if u.dialer.life.Err() != nil {
		return 0 // the next process tries again
	}
	mark.Attempts++
	switch {
	case err == nil:
		log.Info("a device of a session that was logged out is unlinked", "attempts", mark.Attempts)
	case errors.Is(err, errElsewhere), time.Since(mark.Since) > u.dialer.config.UnlinkFor:
		log.Error("a device could not be unlinked and is given up: the phone lists it until a person removes it there", "attempts", mark.Attempts, "err", err)
	default:
		pause := session.Backoff{First: u.dialer.config.UnlinkPause, Longest: unlinkGrowth * u.dialer.config.UnlinkPause}.Step(mark.Attempts)
		log.Warn("a device could not be unlinked yet", "attempts", mark.Attempts, "pause", pause, "err", err)
		if err := u.dialer.devices.UnlinkFailed(u.dialer.life, mark.Device, mark.Attempts, time.Now().Add(pause)); err != nil {
			log.Warn("the failed attempt could not be stored", "err", err)
		}
		return pause
	}
	if err := u.erase(t, mark); err != nil {
		log.Error("the credentials of a device that is unlinked could not be deleted", "err", err)
		return u.dialer.config.UnlinkPause
	}
	return unlinkIdle
}

// erase deletes the credentials, and then the mark.
func (u *unlinker) erase(t *tables, mark session.Detached) error {
	ctx, cancel := context.WithTimeout(u.dialer.life, storeTimeout)
	defer cancel()
	if jid, err := types.ParseJID(mark.Device); err == nil {
		if err = t.container.DeleteDevice(ctx, &store.Device{ID: &jid}); err != nil {
			return err
		}
	}
	return u.dialer.devices.UnlinkOver(ctx, mark.Device)
}

// unlink logs the device in, once, and unlinks it. It returns nil if WhatsApp does not know the device any more.
func (u *unlinker) unlink(t *tables, mark session.Detached) error {
	d := u.dialer
	ctx, cancel := context.WithTimeout(d.life, unlinkTimeout)
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
	way, err := d.routes.through(mark.Session, mark.Proxy)
	if err != nil {
		return err
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
	default:
		return errors.New(in.Detail)
	}
}
