package incoming

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// longestLane is the longest rest of a session because its files do not come.
const longestLane = time.Minute

// turn fetches the session's next file.
func (d *Downloader) turn(id session.ID) verdict {
	if !d.from.Ready(id) {
		return verdict{asleep: true}
	}
	entry, is, err := d.ledger.Next(d.life, id)
	switch {
	case err != nil:
		return d.refused(err)
	case !is:
		return verdict{done: true}
	}
	if wait := entry.NextAt.Sub(d.options.Now()); wait > 0 {
		return verdict{rest: wait}
	}
	if state := d.unfit(&entry); state != "" {
		if state == TooLarge {
			d.options.Observer.MediaNotKept(session.CodeMediaTooLarge)
		}
		return d.settle(&entry, state, "")
	}
	return d.fetch(&entry)
}

// settle ends a file's wait without it.
func (d *Downloader) settle(entry *Entry, state State, cause session.Code) verdict {
	if _, err := d.ledger.Settle(d.life, entry.File, state, cause, entry.Size); err != nil {
		return d.refused(err)
	}
	return verdict{}
}

// refused is the verdict where the database or the disk does not work: nothing else would work either.
func (d *Downloader) refused(err error) verdict {
	if d.life.Err() == nil {
		d.options.Observer.MediaNotKept(session.CodeOf(err))
		d.lanes.pause(err)
	}
	return verdict{}
}

func (d *Downloader) fetch(entry *Entry) verdict {
	media, err := d.catalog.Describe(d.life, entry.Session, entry.Media)
	switch {
	case session.CodeOf(err) == session.CodeMediaGone:
		// Retention was faster.
		if err := d.ledger.Discard(d.life, []string{entry.File}); err != nil {
			return d.refused(err)
		}
		return verdict{}
	case err != nil:
		return d.refused(err)
	}
	remote := *media.Remote
	if limit := d.largest(); limit > 0 && (remote.Length <= 0 || remote.Length > limit) {
		remote.Length = limit // its sender did not say how long it is
	}
	reserved := max(0, remote.Length)
	switch room, err := d.makeRoom(d.life, reserved, entry.Pos); {
	case err != nil:
		return d.refused(err)
	case room == crowded:
		return verdict{rest: time.Second}
	case room == tooOld:
		return d.settle(entry, Gone, "")
	}
	how := d.fill(entry, remote, reserved)
	if !how.kept {
		d.room.release(reserved)
	}
	return how
}

// fill fetches a file into the room that is reserved for it.
func (d *Downloader) fill(entry *Entry, remote message.Remote, reserved int64) verdict {
	began := time.Now()
	f, err := d.store.Begin(entry.File)
	if err != nil {
		return d.refused(err)
	}
	if err := d.download(entry.Session, remote, f); err != nil {
		d.store.Drop(f, entry.File)
		return d.failed(entry, err)
	}
	size, err := d.store.Keep(f, entry.File)
	if err != nil {
		return d.refused(err)
	}
	return d.placed(entry, reserved, size, time.Since(began))
}

// placed notes a file that is on the disk.
func (d *Downloader) placed(entry *Entry, reserved, size int64, took time.Duration) verdict {
	d.room.changing.RLock()
	defer d.room.changing.RUnlock()
	noted, err := d.ledger.Settle(d.life, entry.File, Kept, "", size)
	if err != nil || !noted {
		// Not noted, or it has to go already. What cannot be removed now is swept at the next start.
		_ = d.store.Remove(entry.File)
	}
	if err != nil {
		return d.refused(err)
	}
	if noted {
		d.room.fill(reserved, size)
		d.options.Observer.MediaKept(took)
	}
	return verdict{kept: noted}
}

var errStalled = &session.Error{Code: session.CodeTimeout, Op: "keep media", Message: "nothing came for too long"}

// download fetches a file, as long as something of it comes.
func (d *Downloader) download(id session.ID, remote message.Remote, to *os.File) error {
	ctx, cancel := context.WithCancelCause(d.life)
	defer cancel(nil)
	watched := make(chan struct{})
	watching, enough := context.WithCancel(ctx)
	defer func() {
		enough()
		<-watched
	}()
	go func() {
		defer close(watched)
		d.watch(watching, to, cancel)
	}()
	_, err := message.FetchMedia.Ask(ctx, d.from, id, message.Download{File: remote, To: to})
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// watch ends a fetch during which the file does not change.
func (d *Downloader) watch(ctx context.Context, f *os.File, end context.CancelCauseFunc) {
	ticker := time.NewTicker(d.options.Stall)
	defer ticker.Stop()
	var size int64
	var at time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		info, err := f.Stat()
		if err != nil || info.Size() == size && info.ModTime().Equal(at) {
			end(errStalled)
			return
		}
		size, at = info.Size(), info.ModTime()
	}
}

// failed says when a file is tried again, if it is.
func (d *Downloader) failed(entry *Entry, err error) verdict {
	if d.life.Err() != nil {
		return verdict{}
	}
	code := session.CodeOf(err)
	switch code {
	case session.CodeStoreFull, session.CodeStoreUnavailable, session.CodeStoreLocked:
		return d.refused(err)
	case session.CodeNotReady, session.CodeNotFound, session.CodeDisconnected, session.CodeRestarted, session.CodeQuarantined,
		session.CodeShuttingDown, session.CodeQueueFull, session.CodeWrongState:
		// Not the file's fault: READY comes first, or at least a little later.
		return verdict{rest: longestLane}
	default:
	}
	d.options.Observer.MediaNotKept(code)
	attempts := entry.Attempts + 1
	if code == session.CodeMediaGone || code == session.CodeInvalidRequest || attempts >= d.options.MaxAttempts {
		d.log.Info("an incoming file could not be kept", "session", entry.Session, "attempts", attempts, "err", err)
		return d.settle(entry, Failed, code)
	}
	next := d.options.Now().Add(d.retryAfter(attempts, d.options.RetryMax))
	if err := d.ledger.Retry(d.life, entry.File, code, attempts, next); err != nil {
		return d.refused(err)
	}
	d.log.Debug("an incoming file is tried again", "session", entry.Session, "attempts", attempts, "err", err)
	return verdict{struck: true, rest: d.retryAfter(d.lanes.strikes(entry.Session)+1, longestLane)}
}

// retryAfter is the pause after so many failures in a row, and no more than a limit.
func (d *Downloader) retryAfter(failures int, limit time.Duration) time.Duration {
	return jittered(session.Backoff{First: d.options.RetryMin, Longest: limit}.Step(failures))
}

// jittered adds up to a quarter, so that many files do not knock in step.
func jittered(d time.Duration) time.Duration { return d + time.Duration(rand.Int64N(int64(d)/4+1)) }
