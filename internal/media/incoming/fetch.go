package incoming

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"wasup/internal/session"
)

// longestLane is the longest rest of a session because its files do not come.
const longestLane = time.Minute

// turn fetches the session's next file.
func (k *Keeper) turn(id session.ID) verdict {
	if !k.from.Ready(id) {
		return verdict{asleep: true}
	}
	entry, is, err := k.ledger.Next(k.life, id)
	switch {
	case err != nil:
		return k.refused(err)
	case !is:
		return verdict{done: true}
	}
	if wait := entry.NextAt.Sub(k.options.Now()); wait > 0 {
		return verdict{rest: wait}
	}
	if state := k.unfit(&entry); state != "" {
		if state == TooLarge {
			k.options.Observer.MediaNotKept(session.CodeMediaTooLarge)
		}
		return k.settle(&entry, state, "")
	}
	return k.fetch(&entry)
}

// settle ends a file's wait without it.
func (k *Keeper) settle(entry *Entry, state State, cause session.Code) verdict {
	if _, err := k.ledger.Settle(k.life, entry.File, state, cause, entry.Size); err != nil {
		return k.refused(err)
	}
	return verdict{}
}

// refused is the verdict where the database or the disk does not work: nothing else would work either.
func (k *Keeper) refused(err error) verdict {
	if k.life.Err() == nil {
		k.options.Observer.MediaNotKept(session.CodeOf(err))
		k.lanes.pause(err)
	}
	return verdict{}
}

func (k *Keeper) fetch(entry *Entry) verdict {
	media, err := k.catalog.Describe(k.life, entry.Session, entry.Media)
	switch {
	case session.CodeOf(err) == session.CodeMediaGone:
		// Retention was faster.
		if err := k.ledger.Discard(k.life, []string{entry.File}); err != nil {
			return k.refused(err)
		}
		return verdict{}
	case err != nil:
		return k.refused(err)
	}
	remote := *media.Remote
	if limit := k.largest(); limit > 0 && (remote.Length <= 0 || remote.Length > limit) {
		remote.Length = limit // its sender did not say how long it is
	}
	reserved := max(0, remote.Length)
	switch room, err := k.makeRoom(k.life, reserved, entry.Pos); {
	case err != nil:
		return k.refused(err)
	case room == crowded:
		return verdict{rest: time.Second}
	case room == tooOld:
		return k.settle(entry, Gone, "")
	}
	how := k.fill(entry, remote, reserved)
	if !how.kept {
		k.room.release(reserved)
	}
	return how
}

// fill fetches a file into the room that is reserved for it.
func (k *Keeper) fill(entry *Entry, remote session.Remote, reserved int64) verdict {
	began := time.Now()
	f, err := k.shelf.Begin(entry.File)
	if err != nil {
		return k.refused(err)
	}
	if err := k.download(entry.Session, remote, f); err != nil {
		k.shelf.Drop(f, entry.File)
		return k.failed(entry, err)
	}
	size, err := k.shelf.Keep(f, entry.File)
	if err != nil {
		return k.refused(err)
	}
	return k.placed(entry, reserved, size, time.Since(began))
}

// placed notes a file that is on the disk.
func (k *Keeper) placed(entry *Entry, reserved, size int64, took time.Duration) verdict {
	k.room.changing.RLock()
	defer k.room.changing.RUnlock()
	noted, err := k.ledger.Settle(k.life, entry.File, Kept, "", size)
	if err != nil || !noted {
		// Not noted, or it has to go already. What cannot be removed now is swept at the next start.
		_ = k.shelf.Remove(entry.File)
	}
	if err != nil {
		return k.refused(err)
	}
	if noted {
		k.room.fill(reserved, size)
		k.options.Observer.MediaKept(took)
	}
	return verdict{kept: noted}
}

var errStalled = &session.Error{Code: session.CodeTimeout, Op: "keep media", Message: "nothing came for too long"}

// download fetches a file, as long as something of it comes.
func (k *Keeper) download(id session.ID, remote session.Remote, to *os.File) error {
	ctx, cancel := context.WithCancelCause(k.life)
	defer cancel(nil)
	watched := make(chan struct{})
	watching, enough := context.WithCancel(ctx)
	defer func() {
		enough()
		<-watched
	}()
	go func() {
		defer close(watched)
		k.watch(watching, to, cancel)
	}()
	_, err := session.FetchMedia.Ask(ctx, k.from, id, session.Download{File: remote, To: to})
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// watch ends a fetch during which the file does not change.
func (k *Keeper) watch(ctx context.Context, f *os.File, end context.CancelCauseFunc) {
	ticker := time.NewTicker(k.options.Stall)
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
func (k *Keeper) failed(entry *Entry, err error) verdict {
	if k.life.Err() != nil {
		return verdict{}
	}
	code := session.CodeOf(err)
	switch code {
	case session.CodeStoreFull, session.CodeStoreUnavailable, session.CodeStoreLocked:
		return k.refused(err)
	case session.CodeNotReady, session.CodeNotFound, session.CodeDisconnected, session.CodeRestarted, session.CodeQuarantined,
		session.CodeShuttingDown, session.CodeQueueFull, session.CodeWrongState:
		// Not the file's fault: READY comes first, or at least a little later.
		return verdict{rest: longestLane}
	default:
	}
	k.options.Observer.MediaNotKept(code)
	attempts := entry.Attempts + 1
	if code == session.CodeMediaGone || code == session.CodeInvalidRequest || attempts >= k.options.MaxAttempts {
		k.log.Info("an incoming file could not be kept", "session", entry.Session, "attempts", attempts, "err", err)
		return k.settle(entry, Failed, code)
	}
	next := k.options.Now().Add(jittered(k.doubled(attempts-1, k.options.RetryMax)))
	if err := k.ledger.Retry(k.life, entry.File, code, attempts, next); err != nil {
		return k.refused(err)
	}
	k.log.Debug("an incoming file is tried again", "session", entry.Session, "attempts", attempts, "err", err)
	return verdict{struck: true, rest: jittered(k.doubled(k.lanes.strikes(entry.Session), longestLane))}
}

// doubled is RetryMin after so many doublings, and no more than a limit.
func (k *Keeper) doubled(times int, limit time.Duration) time.Duration {
	return min(k.options.RetryMin<<min(times, 20), limit)
}

// jittered adds up to a quarter, so that many files do not knock in step.
func jittered(d time.Duration) time.Duration { return d + time.Duration(rand.Int64N(int64(d)/4+1)) }
