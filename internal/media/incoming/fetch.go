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

// longestLane is the longest pause of a session because its downloads fail.
const longestLane = time.Minute

// turn downloads the session's next file.
func (d *Downloader) turn(id session.ID) verdict {
	if !d.from.Ready(id) {
		return verdict{asleep: true}
	}
	entry, is, err := d.ledger.Next(d.life, id)
	switch {
	case err != nil:
		return d.pauseAll(err)
	case !is:
		return verdict{done: true}
	}
	if wait := entry.NextAt.Sub(d.options.Now()); wait > 0 {
		return verdict{rest: wait}
	}
	if state := d.excluded(&entry); state != "" {
		if state == TooLarge {
			d.options.Observer.MediaNotKept(session.CodeMediaTooLarge)
		}
		return d.endWaiting(&entry, state, "")
	}
	return d.fetch(&entry)
}

// endWaiting stores that a file will not be downloaded.
func (d *Downloader) endWaiting(entry *Entry, state State, cause session.Code) verdict {
	if _, err := d.ledger.Settle(d.life, entry.File, state, cause, entry.Size); err != nil {
		return d.pauseAll(err)
	}
	return verdict{}
}

// pauseAll pauses all downloads after an error of the database or the disk, because other downloads would fail too.
func (d *Downloader) pauseAll(err error) verdict {
	if d.life.Err() == nil {
		d.options.Observer.MediaNotKept(session.CodeOf(err))
		d.lanes.pause(err)
	}
	return verdict{}
}

// fetch reserves room for a file and downloads it.
func (d *Downloader) fetch(entry *Entry) verdict {
	media, err := d.catalog.Describe(d.life, entry.Session, entry.Media)
	switch {
	case session.CodeOf(err) == session.CodeMediaGone:
		// Retention has deleted the event meanwhile.
		if err := d.ledger.Discard(d.life, []string{entry.File}); err != nil {
			return d.pauseAll(err)
		}
		return verdict{}
	case err != nil:
		return d.pauseAll(err)
	}
	remote := *media.Remote
	if limit := d.largest(); limit > 0 && (remote.Length <= 0 || remote.Length > limit) {
		remote.Length = limit // the sender gave no usable size
	}
	reserved := max(0, remote.Length)
	switch room, err := d.makeRoom(d.life, reserved, entry.Pos); {
	case err != nil:
		return d.pauseAll(err)
	case room == crowded:
		return verdict{rest: time.Second}
	case room == tooOld:
		return d.endWaiting(entry, Gone, "")
	}
	how := d.fetchInto(entry, remote, reserved)
	if !how.kept {
		d.room.unreserve(reserved)
	}
	return how
}

// fetchInto downloads a file into the room that is reserved for it.
func (d *Downloader) fetchInto(entry *Entry, remote message.Remote, reserved int64) verdict {
	began := time.Now()
	f, err := d.store.Begin(entry.File)
	if err != nil {
		return d.pauseAll(err)
	}
	if err := d.download(entry.Session, remote, f); err != nil {
		d.store.Drop(f, entry.File)
		return d.noteFailed(entry, err)
	}
	size, err := d.store.Keep(f, entry.File)
	if err != nil {
		return d.pauseAll(err)
	}
	return d.noteKept(entry, reserved, size, time.Since(began))
}

// noteKept stores that a file is on the disk.
func (d *Downloader) noteKept(entry *Entry, reserved, size int64, took time.Duration) verdict {
	d.room.changing.RLock()
	defer d.room.changing.RUnlock()
	noted, err := d.ledger.Settle(d.life, entry.File, Kept, "", size)
	if err != nil || !noted {
		// The file is unknown to the database, or has to be deleted already. If that fails, the next start deletes it.
		_ = d.store.Remove(entry.File)
	}
	if err != nil {
		return d.pauseAll(err)
	}
	if noted {
		d.room.countKept(reserved, size)
		d.options.Observer.MediaKept(took)
	}
	return verdict{kept: noted}
}

var errStalled = &session.Error{Code: session.CodeTimeout, Op: "keep media", Message: "the download stalled"}

// download downloads a file. It ends with errStalled if no byte comes for too long.
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

// watch cancels a download during which the file does not change.
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

// noteFailed stores when a file is tried again after a failed download, or gives it up.
func (d *Downloader) noteFailed(entry *Entry, err error) verdict {
	if d.life.Err() != nil {
		return verdict{}
	}
	code := session.CodeOf(err)
	switch code {
	case session.CodeStoreFull, session.CodeStoreUnavailable, session.CodeStoreLocked:
		return d.pauseAll(err)
	case session.CodeNotReady, session.CodeNotFound, session.CodeDisconnected, session.CodeRestarted, session.CodeQuarantined,
		session.CodeShuttingDown, session.CodeQueueFull, session.CodeWrongState:
		// This is no failure of the file. The lane tries again when the session becomes READY, or after the pause.
		return verdict{rest: longestLane}
	default:
	}
	d.options.Observer.MediaNotKept(code)
	attempts := entry.Attempts + 1
	if code == session.CodeMediaGone || code == session.CodeInvalidRequest || attempts >= d.options.MaxAttempts {
		d.log.Info("incoming file: given up", "session", entry.Session, "attempts", attempts, "err", err)
		return d.endWaiting(entry, Failed, code)
	}
	next := d.options.Now().Add(d.retryAfter(attempts, d.options.RetryMax))
	if err := d.ledger.Retry(d.life, entry.File, code, attempts, next); err != nil {
		return d.pauseAll(err)
	}
	d.log.Debug("incoming file: download failed; retrying", "session", entry.Session, "attempts", attempts, "err", err)
	return verdict{struck: true, rest: d.retryAfter(d.lanes.strikes(entry.Session)+1, longestLane)}
}

// retryAfter returns the pause after a number of failures in a row: at most limit, plus jitter.
func (d *Downloader) retryAfter(failures int, limit time.Duration) time.Duration {
	return jittered(session.Backoff{First: d.options.RetryMin, Longest: limit}.Step(failures))
}

// jittered adds up to a quarter, so that many downloads do not start at the same time.
func jittered(d time.Duration) time.Duration { return d + time.Duration(rand.Int64N(int64(d)/4+1)) }
