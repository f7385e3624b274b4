package app

import (
	"context"
	"io"
	"os"

	httpevents "wasup/httpapi/events"
	"wasup/httpapi/media"
	"wasup/httpapi/supervision"
	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
	"wasup/metrics"
	"wasup/supervisor"
)

// The types of this file adapt one room to an interface that another room declares.

// inbox is the journal of the WhatsApp clients: they write incoming events to it.
type inbox struct {
	*events.Log
	outbox     *outbox.Outbox
	downloader *incoming.Downloader
}

// Append commits events. A receipt is committed together with the messages it is about. The files of the events are
// fetched after their events are committed.
func (i inbox) Append(ctx context.Context, list ...events.Event) error {
	others := make([]events.Event, 0, len(list))
	for n := range list {
		receipt := list[n].Receipt
		if receipt == nil {
			others = append(others, list[n])
			continue
		}
		if err := i.Counted(func() error { return i.outbox.Receipt(ctx, list[n].Session, *receipt, list[n]) }); err != nil {
			return err
		}
	}
	if len(others) == 0 {
		return nil
	}
	if err := i.Log.Append(ctx, others...); err != nil {
		return err
	}
	for n := range others {
		if others[n].Remote != nil {
			i.downloader.Arrived(others[n].Session)
		}
	}
	return nil
}

// sent returns a message that a session sent. It returns false if the outbox no longer has the message.
func (i inbox) sent(ctx context.Context, id session.ID, messageID string) (message.Message, bool, error) {
	msg, err := i.outbox.Message(ctx, id, messageID)
	if session.CodeOf(err) == session.CodeUnknownMessage || session.CodeOf(err) == session.CodeNotFound {
		return message.Message{}, false, nil
	}
	return msg, err == nil, err
}

// health answers the probes.
type health struct {
	db       *store.Store
	sessions *supervisor.Supervisor
}

// Healthy asks the database for a row, and for the outcome of the last writes: a database that is full or locked still
// answers reads.
func (h health) Healthy(ctx context.Context) error {
	if err := h.db.Failing(); err != nil {
		return err
	}
	return h.db.Ping(ctx)
}

func (h health) Ready() (ready bool, restored, wanted int, reason string) {
	r := h.sessions.Readiness()
	switch {
	case r.Draining:
		reason = "shutting down"
	case !r.Ready:
		reason = "restoring"
	case h.db.Failing() != nil:
		r.Ready, reason = false, "database failing"
	}
	return r.Ready, r.Restored, r.Wanted, reason
}

// counted adds to the status of each session how many of its messages are held.
type counted struct {
	*supervisor.Supervisor
	outbox *outbox.Outbox
}

func (c counted) Status(id session.ID) (session.Status, bool) {
	status, known := c.Supervisor.Status(id)
	status.Held = c.outbox.Held(id)
	return status, known
}

func (c counted) List() []session.Status {
	all := c.Supervisor.List()
	for i := range all {
		all[i].Held = c.outbox.Held(all[i].ID)
	}
	return all
}

// tree adapts the supervisor to httpapi's supervision tree.
type tree struct{ *supervisor.Supervisor }

func (t tree) Tree() []supervision.Node {
	all := t.Supervisor.Tree()
	nodes := make([]supervision.Node, 0, len(all))
	for i := range all {
		nodes = append(nodes, supervision.Node(all[i]))
	}
	return nodes
}

// live adapts the event log to httpapi's live stream.
type live struct{ *events.Log }

func (l live) Subscribe(ctx context.Context, after uint64, id session.ID, types []events.Type) (httpevents.Subscription, error) {
	subscription, err := l.Log.Subscribe(ctx, after, id, types)
	if err != nil {
		return nil, err // a plain nil: an interface that holds a nil pointer is not nil
	}
	return subscription, nil
}

// sender adapts the outbox to the compatibility routes.
type sender struct{ outbox *outbox.Outbox }

func (s sender) Send(ctx context.Context, id session.ID, to message.Recipient, body, key string) (string, error) {
	result, err := s.outbox.SendText(ctx, message.Request{Session: id, To: to, Content: message.TextOf(body), Key: key})
	return result.MessageID, err
}

// arrivals gives httpapi the files of incoming messages.
type arrivals struct {
	*events.Files
	downloader *incoming.Downloader
}

func (f arrivals) Kept(ctx context.Context, id session.ID, name string) (media.KeptFile, error) {
	file, state, err := f.downloader.Open(ctx, id, name)
	held := media.KeptFile{State: string(state)}
	if err != nil || file == nil {
		return held, err
	}
	if held.Size, err = sizeOf(file, id); err == nil {
		held.File = file // only now: an interface that holds a nil pointer is not nil
	}
	return held, err
}

func (f arrivals) Fetch(ctx context.Context, id session.ID, file message.Media) (io.ReadCloser, int64, error) {
	fetched, err := f.Files.Fetch(ctx, id, file)
	if err != nil {
		return nil, 0, err
	}
	size, err := sizeOf(fetched, id)
	if err != nil {
		return nil, 0, err
	}
	return fetched, size, nil
}

// sizeOf returns the size of an open file in bytes. If it fails, it closes the file.
func sizeOf(file interface {
	io.Closer
	Stat() (os.FileInfo, error)
}, id session.ID,
) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return 0, &session.Error{Code: session.CodeStoreUnavailable, Op: "fetch media", Session: id, Err: err}
	}
	return info.Size(), nil
}

// figures returns the functions that the metrics call at each scrape.
func (a *App) figures(db *store.Store, dialer *whatsapp.Dialer) metrics.Sources {
	return metrics.Sources{
		MailboxInFlight: a.sessions.InFlight, QRWaiters: a.sessions.Waiting, LiveReaders: a.events.Readers,
		StanzasWaiting: dialer.StanzasWaiting, ClientVersion: dialer.Version,
		Commits: func() metrics.Commits { return metrics.Commits(db.Commits()) },
		Store: func() metrics.Store {
			free, known := db.FreeBytes()
			return metrics.Store{Failing: db.Failing() != nil, Free: free, FreeKnown: known}
		},
		EventsKept: func() int { // events deleted from the middle of the log are counted too
			floor, tail := a.events.Span()
			return int(tail - min(floor, tail))
		},
		Connections: func() metrics.Connections { return metrics.Connections(a.http.Connections()) },
		Pools: func() []metrics.Pool {
			var all []metrics.Pool
			for _, p := range db.Pools() {
				all = append(all, metrics.Pool(p))
			}
			return all
		},
		Backlog: func() metrics.Backlog {
			s := a.outbox.Stats()
			return metrics.Backlog{Messages: s.Open, Sessions: s.Lanes, Oldest: s.Oldest, Held: s.Held}
		},
		Webhooks: func() metrics.Webhooks {
			f := a.webhooks.Figures()
			return metrics.Webhooks{Backlog: f.Backlog, Oldest: f.Oldest, States: f.Webhooks}
		},
		KeptMedia: func() metrics.KeptMedia {
			s := a.downloader.Stats()
			return metrics.KeptMedia{Files: s.Files, Waiting: s.Waiting, Bytes: s.Bytes, Paused: s.Paused}
		},
	}
}
