package main

import (
	"context"

	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
	"wasup/metrics"
)

// startWebhooks starts what delivers the log. It ends after the sessions, whose last events are still handed on if their
// receivers are quick, and before the log it reads.
func (a *App) startWebhooks(ctx context.Context, db *store.Store) error {
	c := a.cfg.Webhooks
	grown := a.events.Watch()
	a.onStop("webhooks' watch", func(context.Context) error { grown.Close(); return nil })
	a.webhooks = webhooks.New(db.Webhooks(), grown, webhooks.Options{
		Timeout: c.Timeout, RetryMin: c.RetryMin, RetryMax: c.RetryMax, RetryFor: c.RetryFor, KeepDead: c.KeepDead,
		Requests: c.Requests, PerWebhook: c.PerWebhook, Max: c.Max, PerSession: c.PerSession, AllowPrivate: c.AllowPrivate,
		Version: version, Log: a.log, Observer: a.metrics,
	})
	a.onStop("webhooks", a.webhooks.Stop)
	return a.webhooks.Start(ctx)
}

// hookFigures are the deliveries as the metrics want them.
func hookFigures(hooks *webhooks.Webhooks) func() metrics.Webhooks {
	return func() metrics.Webhooks {
		f := hooks.Figures()
		return metrics.Webhooks{Backlog: f.Backlog, Oldest: f.Oldest, States: f.Webhooks}
	}
}

// deletions are the sessions' table, which tells the webhooks of sessions that are gone from it.
type deletions struct {
	*store.Sessions
	hooks *webhooks.Webhooks
}

func (d deletions) Delete(ctx context.Context, id session.ID) error {
	if err := d.Sessions.Delete(ctx, id); err != nil {
		return err
	}
	d.hooks.SessionRemoved(id)
	return nil
}
