package main

import (
	"context"
	"log/slog"
	"time"

	"wasup/configs"
	httpevents "wasup/httpapi/events"
	"wasup/httpapi/supervision"
	"wasup/internal/contacts"
	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/metrics"
	"wasup/supervisor"
)

// The types here fit one room's answers to the interfaces another room declares.

// health is what the probes ask.
type health struct {
	db       *store.Store
	sessions *supervisor.Supervisor
}

func (h health) Healthy(ctx context.Context) error { return h.db.Ping(ctx) }

func (h health) Ready() (ready bool, restored, wanted int, reason string) {
	r := h.sessions.Readiness()
	switch {
	case r.Draining:
		reason = "shutting down"
	case !r.Ready:
		reason = "restoring"
	}
	return r.Ready, r.Restored, r.Wanted, reason
}

// chats is what is told to and asked of WhatsApp: by the sessions, but phone numbers with memory and at a pace.
type chats struct {
	*supervisor.Supervisor
	numbers *contacts.Checker
}

func (c chats) CheckContacts(ctx context.Context, id session.ID, phones []string) ([]session.Contact, error) {
	return c.numbers.CheckContacts(ctx, id, phones)
}

// observer is the metrics as httpapi wants them.
type observer struct{ m *metrics.Metrics }

func (o observer) HTTPRequest(route, method string, code int, took time.Duration) {
	o.m.HTTPAnswered(route, method, code, took)
}

func (o observer) QRRequest(outcome session.QROutcome, waited time.Duration) {
	o.m.QRAnswered(outcome, waited)
}

func storeOptions(cfg configs.Config, log *slog.Logger) store.Options {
	return store.Options{
		Logger: log, MaxConns: cfg.Store.MaxConns, IdleConns: cfg.Store.IdleConns, AnswerTimeout: cfg.Store.Timeout,
		KeepMedia: cfg.Media.KeepIncoming > 0,
	}
}

// pools are the store's figures as metrics wants them.
func pools(db *store.Store) func() []metrics.Pool {
	return func() []metrics.Pool {
		var all []metrics.Pool
		for _, p := range db.Pools() {
			all = append(all, metrics.Pool(p))
		}
		return all
	}
}

func commits(db *store.Store) func() metrics.Commits {
	return func() metrics.Commits { return metrics.Commits(db.Commits()) }
}

// tree is the supervisor as httpapi shows it.
type tree struct{ *supervisor.Supervisor }

func (t tree) Tree() []supervision.Node {
	all := t.Supervisor.Tree()
	nodes := make([]supervision.Node, 0, len(all))
	for i := range all {
		nodes = append(nodes, supervision.Node(all[i]))
	}
	return nodes
}

// live is the log as httpapi wants it.
type live struct{ *events.Log }

func (l live) Subscribe(ctx context.Context, after uint64, id session.ID, types []session.EventType) (httpevents.Subscription, error) {
	subscription, err := l.Log.Subscribe(ctx, after, id, types)
	if err != nil {
		return nil, err // and no interface that holds a nil
	}
	return subscription, nil
}

// observed is the metrics as the supervisor wants them; the feed is told of deletions, which have no snapshot.
type observed struct {
	*metrics.Metrics
	feed *events.Feed
}

func (o observed) SessionRemoved(id session.ID) {
	o.Metrics.SessionRemoved(id)
	o.feed.Remove(id)
}
