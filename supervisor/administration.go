package supervisor

import (
	"context"
	"fmt"

	"wasup/actors"
	"wasup/internal/session"
)

// Create makes a session and starts it if start is true. The error has CodeExists if the id is taken.
func (s *Supervisor) Create(ctx context.Context, id session.ID, settings session.Settings, start bool) (session.Status, error) {
	if err := settings.Check(); err != nil {
		return session.Status{}, err
	}
	desired := session.DesiredStop
	if start {
		desired = session.DesiredRun
	}
	unlock, err := s.lockDesired(ctx, id)
	if err != nil {
		return session.Status{}, err
	}
	record, err := s.cfg.Store.Create(ctx, id, desired, settings)
	unlock()
	if err != nil {
		return session.Status{}, fmt.Errorf("create session %s: %w", id, err)
	}
	e := s.addEntry(record)
	e.core.Show()
	if !start {
		return e.core.Status(), nil
	}
	status, _, err := s.Start(ctx, id)
	return status, err
}

// Update replaces a session's settings. A changed proxy is used from the next connect on. So a session that should run
// is restarted for it: otherwise it would go on without the proxy that people asked for.
func (s *Supervisor) Update(ctx context.Context, id session.ID, settings session.Settings) (session.Status, error) {
	if err := settings.Check(); err != nil {
		return session.Status{}, err
	}
	e, ok := s.entry(id)
	if !ok {
		return session.Status{}, notFound(id)
	}
	before := e.core.Status()
	record, err := s.cfg.Store.SaveSettings(ctx, id, settings)
	if err != nil {
		return session.Status{}, fmt.Errorf("store the settings of session %s: %w", id, err)
	}
	told, err := ask[actors.Told](ctx, s, e, actors.Configure{Settings: record.Settings, At: record.UpdatedAt})
	if err != nil || told.Err != nil {
		return told.Status, firstError(err, told.Err)
	}
	if settings.Proxy != before.Settings.Proxy && told.Status.Desired == session.DesiredRun {
		return s.Restart(ctx, id)
	}
	return told.Status, nil
}

// Delete logs a session out and deletes everything that is stored of it. It is idempotent. If the process ends
// meanwhile, the next start continues the deletion. The state says what is left to do at WhatsApp.
func (s *Supervisor) Delete(ctx context.Context, id session.ID) (session.UnlinkState, error) {
	e, ok := s.entry(id)
	if !ok {
		if _, left := s.undeleted.Load(id); left {
			return "", s.erase(ctx, id)
		}
		return "", nil
	}
	if err := s.remove(ctx, e); err != nil {
		return "", err
	}
	return e.core.Unlinking(), s.erase(ctx, id)
}

// remove logs a session out and stops its actor.
func (s *Supervisor) remove(ctx context.Context, e *entry) error {
	id := e.id
	told, err := s.change(ctx, id, session.DesiredDelete, session.LogoutDue)
	if err != nil {
		return err
	}
	if told.Ended != nil {
		select {
		case <-told.Ended: // WhatsApp was told, and the credentials are deleted
		case <-ctx.Done():
			return unanswered(ctx, "delete session", id, ctx.Err())
		}
	}
	stopping, err := actors.Ask[spawned](ctx, s.env.System, s.root, remove{e}, s.stopped, nil)
	if err != nil {
		return unanswered(ctx, "delete session", id, err)
	}
	if stopping.handle != nil {
		select {
		case <-stopping.handle.gone:
		case <-ctx.Done():
			return unanswered(ctx, "delete session", id, ctx.Err())
		}
	}
	return nil
}

// erase detaches the credentials, if the logout has left any, and deletes the row of a session whose actor has stopped. If
// the credentials cannot be detached, the row stays, so that the next attempt or the next start finds what is left to do.
func (s *Supervisor) erase(ctx context.Context, id session.ID) error {
	s.undeleted.Store(id, struct{}{})
	if err := s.cfg.Dialer.Detach(ctx, id); err != nil {
		return fmt.Errorf("detach the credentials of session %s: %w", id, err)
	}
	if err := s.cfg.Store.Delete(ctx, id); err != nil {
		return fmt.Errorf("delete session %s: %w", id, err)
	}
	if s.cfg.Erased != nil {
		s.cfg.Erased(id)
	}
	s.desires.remove(id)
	s.undeleted.Delete(id)
	return nil
}

// resumeDeletes finishes the deletions that an earlier process began.
func (s *Supervisor) resumeDeletes(ctx context.Context, ids []session.ID) error {
	for _, id := range ids {
		if err := s.erase(ctx, id); err != nil {
			return err
		}
		s.cfg.Log.Info("finished the interrupted deletion of a session", "session", id, "op", "delete")
	}
	return nil
}

// firstError returns the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func notFound(id session.ID) error {
	return &session.Error{Code: session.CodeNotFound, Op: "find session", Session: id}
}
