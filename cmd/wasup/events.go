package main

import (
	"context"
	"encoding/json"

	"wasup/events"
	"wasup/session"
	"wasup/store"
)

// journal is the log as the WhatsApp clients need it.
type journal struct {
	*events.Log
}

// startEvents starts what writes, reads and shortens the durable log. It ends after the sessions, whose last changes of
// state belong in it.
func (a *App) startEvents(ctx context.Context, db *store.Store) error {
	a.events = events.NewLog(db.Events(), events.Options{Logger: a.log})
	if err := a.events.Start(ctx); err != nil {
		return err
	}
	a.onStop("events", a.events.Stop)
	keep := events.NewRetention(a.events, events.Keep{Age: a.cfg.Events.RetentionAge, Count: uint64(a.cfg.Events.RetentionCount)}, nil)
	keep.Start()
	a.onStop("retention", keep.Stop)
	// Nothing is published before sessions run, and those start after HTTP does.
	describe := func(of session.EventType, status session.Status, skipped int) json.RawMessage {
		return a.http.Describe(of, status, skipped)
	}
	a.feed = events.NewFeed(a.events, describe, a.log)
	a.feed.Start()
	a.onStop("feed", a.feed.Stop)
	return nil
}
