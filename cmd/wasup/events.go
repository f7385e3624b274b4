package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	httpevents "wasup/httpapi/events"
	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

// inbox is where the WhatsApp clients put what they receive. Receipts are noted in the outbox first: both are harmless to
// repeat, and WhatsApp is told of neither before both are on disk. Files are fetched after their events are.
type inbox struct {
	*events.Log
	box  *atomic.Pointer[outbox.Outbox]
	kept *atomic.Pointer[incoming.Keeper]
}

func (i inbox) Append(ctx context.Context, list ...session.Event) error {
	if box := i.box.Load(); box != nil {
		for n := range list {
			if list[n].Type != session.EventReceipt {
				continue
			}
			var receipt session.ReceiptData
			if err := json.Unmarshal(list[n].Data, &receipt); err != nil {
				return err
			}
			if err := box.Receipt(ctx, list[n].Session, receipt); err != nil {
				return err
			}
		}
	}
	if err := i.Log.Append(ctx, list...); err != nil {
		return err
	}
	if keeper := i.kept.Load(); keeper != nil {
		for n := range list {
			if list[n].Remote != nil {
				keeper.Arrived(list[n].Session)
			}
		}
	}
	return nil
}

// sent gives what a message says that a session sent, as far as the outbox still has it.
func (i inbox) sent(ctx context.Context, id session.ID, messageID string) (session.Content, bool, error) {
	box := i.box.Load()
	if box == nil {
		return session.Content{}, false, nil
	}
	message, err := box.Message(ctx, id, messageID)
	if session.CodeOf(err) == session.CodeUnknownMessage || session.CodeOf(err) == session.CodeNotFound {
		return session.Content{}, false, nil
	}
	return message.Content, err == nil, err
}

// startEvents starts what writes and reads the durable log. It ends after the sessions, whose last changes of
// state belong in it.
func (a *App) startEvents(ctx context.Context, db *store.Store) error {
	a.events = events.NewLog(db.Events(), events.Options{Logger: a.log, Observer: a.metrics})
	if err := a.events.Start(ctx); err != nil {
		return err
	}
	a.onStop("events", a.events.Stop)
	a.feed = events.NewFeed(a.events, httpevents.Describer{Now: time.Now, Log: a.log}.Describe, a.log)
	a.feed.Start()
	a.onStop("feed", a.feed.Stop)
	return nil
}

// startRetention starts what shortens the log. It ends before the webhooks, which it tells what they will not get.
func (a *App) startRetention() {
	c := a.cfg.Events
	keep := events.NewRetention(a.events, events.Keep{
		Age: c.RetentionAge, Count: uint64(c.RetentionCount), MaxAge: c.MaxAge, MaxCount: uint64(c.MaxCount), Missed: a.webhooks.Missed,
	}, nil)
	keep.Start()
	a.onStop("retention", keep.Stop)
}

// logged is how many events the log holds, but for those that were deleted from its middle.
func (a *App) logged() int {
	floor, tail := a.events.Span()
	return int(tail - min(floor, tail))
}
