package supervisor

import (
	"context"
	"fmt"

	"wasup/actors"
	"wasup/internal/session"
)

// Create makes a session, and starts it if start says so. CodeExists where there is one with this id.
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
	e := s.enter(record)
	e.core.Show()
	if !start {
		return e.core.Status(), nil
	}
	status, _, err := s.Start(ctx, id)
	return status, err
}

// Update replaces a session's settings. A changed proxy is used from the next connect on, so a session that runs is
// restarted for it: going on without the proxy would be what people set it against.
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

// Delete logs a session out and removes everything of it. It is idempotent, and goes on at the next start where the
// process ended meanwhile.
func (s *Supervisor) Delete(ctx context.Context, id session.ID) error {
	e, ok := s.entry(id)
	if !ok {
		if _, left := s.undone.Load(id); left {
			return s.erase(ctx, id)
		}
		return nil
	}
	told, err := s.tell(ctx, id, session.DesiredDelete, session.LogoutDue)
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
	return s.erase(ctx, id)
}

// erase removes what is stored of a session that nothing runs any more: the credentials, then the row. Without the
// credentials' end the row stays, so that the next attempt, or the next start, finds what is left to do.
func (s *Supervisor) erase(ctx context.Context, id session.ID) error {
	s.undone.Store(id, struct{}{})
	if err := s.cfg.Dialer.Forget(ctx, id); err != nil {
		return fmt.Errorf("delete the credentials of session %s: %w", id, err)
	}
	if err := s.cfg.Store.Delete(ctx, id); err != nil {
		return fmt.Errorf("delete session %s: %w", id, err)
	}
	if s.cfg.Erased != nil {
		s.cfg.Erased(id)
	}
	s.desires.remove(id)
	s.undone.Delete(id)
	return nil
}

// resumeDeletes finishes what a process that ended had begun to delete.
func (s *Supervisor) resumeDeletes(ctx context.Context, ids []session.ID) error {
	for _, id := range ids {
		if err := s.erase(ctx, id); err != nil {
			return err
		}
		s.cfg.Log.Info("a deletion that was interrupted is finished", "session", id, "op", "delete")
	}
	return nil
}

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
