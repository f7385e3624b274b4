package apitest

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	httpevents "wasup/httpapi/events"
	"wasup/httpapi/media"
	"wasup/httpapi/supervision"
	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Scripted replaces the supervised sessions. It must not be changed while a server runs.
type Scripted struct {
	Statuses  map[session.ID]session.Status
	Reading   func() session.Status // the status of every session; nil: Statuses has them
	Asked     func(ctx context.Context, id session.ID) session.QRAnswer
	Starting  func(ctx context.Context, id session.ID) (session.Status, bool, error)
	Sending   func(ctx context.Context, id session.ID, to message.Recipient, body, key string) (string, error)
	Health    func(ctx context.Context) error
	Readiness func() (bool, int, int, string)

	Settle  func(ctx context.Context, verb string, id session.ID, settings session.Settings) (session.Status, error)
	Linking func(ctx context.Context, step string, id session.ID, value string) (string, time.Time, error)
	Nodes   []supervision.Node
	Buffer  events.Options
	log     func() *events.Log // opens the log at the first call
	feed    *events.Feed

	Incoming  map[string]message.Media // the files by id; Media.File is the content
	KeptFiles map[string]string        // the contents of the files on the disk, by id
	Closed    *atomic.Int64            // how many files on the disk were closed
	Fetched   *atomic.Int64            // how many files were fetched; nil: not counted

	scriptedMessages

	Drawing func(code string) (string, error) // draws PNGs; nil: qr.DataURL
	Watches *Watches
}

// Watches records the calls of Watch.
type Watches struct {
	mu  sync.Mutex
	ids []session.ID
}

// All returns the ids of the watched sessions.
func (w *Watches) All() []session.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ids)
}

func (f *Scripted) Watch(id session.ID) {
	f.Watches.mu.Lock()
	defer f.Watches.mu.Unlock()
	f.Watches.ids = append(f.Watches.ids, id)
}

func (f *Scripted) Create(ctx context.Context, id session.ID, settings session.Settings, start bool) (session.Status, error) {
	if start {
		return f.Settle(ctx, "create and start", id, settings)
	}
	return f.Settle(ctx, "create", id, settings)
}

func (f *Scripted) List() []session.Status {
	var all []session.Status
	for _, id := range slices.Sorted(maps.Keys(f.Statuses)) {
		all = append(all, f.Statuses[id])
	}
	return all
}

func (f *Scripted) Update(ctx context.Context, id session.ID, settings session.Settings) (session.Status, error) {
	return f.Settle(ctx, "update", id, settings)
}

func (f *Scripted) Delete(ctx context.Context, id session.ID) (session.UnlinkState, error) {
	status, err := f.Settle(ctx, "delete", id, session.Settings{})
	return status.Unlink, err
}

func (f *Scripted) StopSession(ctx context.Context, id session.ID) (session.Status, error) {
	return f.Settle(ctx, "stop", id, session.Settings{})
}

func (f *Scripted) Restart(ctx context.Context, id session.ID) (session.Status, error) {
	return f.Settle(ctx, "restart", id, session.Settings{})
}

func (f *Scripted) Logout(ctx context.Context, id session.ID) (session.Status, error) {
	return f.Settle(ctx, "logout", id, session.Settings{})
}

func (f *Scripted) Tree() []supervision.Node { return f.Nodes }

func (f *Scripted) PairPhone(ctx context.Context, id session.ID, phone string) (string, time.Time, error) {
	return f.Linking(ctx, "phone", id, phone)
}

func (f *Scripted) AnswerPasskey(ctx context.Context, id session.ID, answer []byte) (session.Status, error) {
	_, _, err := f.Linking(ctx, "answer", id, string(answer))
	return f.Statuses[id], err
}

func (f *Scripted) ConfirmPasskey(ctx context.Context, id session.ID) (session.Status, error) {
	_, _, err := f.Linking(ctx, "confirm", id, "")
	return f.Statuses[id], err
}

func (f *Scripted) Subscribe(ctx context.Context, after uint64, id session.ID, types []events.Type) (httpevents.Subscription, error) {
	subscription, err := f.log().Subscribe(ctx, after, id, types)
	if err != nil {
		return nil, err
	}
	return subscription, nil
}

func (f *Scripted) Page(ctx context.Context, after uint64, id session.ID, types []events.Type, limit int) ([]events.Event, uint64, bool, error) {
	return f.log().Page(ctx, after, id, types, limit)
}

// arrivals are the files of incoming messages.
type arrivals struct{ *Scripted }

func (f arrivals) Describe(_ context.Context, id session.ID, name string) (message.Media, error) {
	if file, ok := f.Incoming[name]; ok {
		return file, nil
	}
	return message.Media{}, &session.Error{Code: session.CodeMediaGone, Op: "find media", Session: id}
}

// Kept returns the files of KeptFiles. The state of an id that begins with "waiting" is waiting.
func (f arrivals) Kept(_ context.Context, _ session.ID, name string) (media.KeptFile, error) {
	content, ok := f.KeptFiles[name]
	switch {
	case ok:
		return media.KeptFile{File: &opened{Reader: strings.NewReader(content), closed: f.Closed}, Size: int64(len(content)), State: "kept"}, nil
	case strings.HasPrefix(name, "waiting"):
		return media.KeptFile{State: "waiting"}, nil
	case name == "broken":
		return media.KeptFile{}, &session.Error{Code: session.CodeStoreUnavailable, Op: "find kept file"}
	default:
		return media.KeptFile{}, nil
	}
}

type opened struct {
	*strings.Reader
	closed *atomic.Int64
}

func (o *opened) Close() error {
	o.closed.Add(1)
	return nil
}

func (f arrivals) Fetch(_ context.Context, id session.ID, file message.Media) (io.ReadCloser, int64, error) {
	if f.Fetched != nil {
		f.Fetched.Add(1)
	}
	if file.File == "" {
		return nil, 0, &session.Error{Code: session.CodeNotReady, Op: "fetch media", Session: id}
	}
	return io.NopCloser(strings.NewReader(file.File)), int64(len(file.File)), nil
}

func (f *Scripted) RequestQR(ctx context.Context, id session.ID) session.QRAnswer {
	return f.Asked(ctx, id)
}

func (f *Scripted) Start(ctx context.Context, id session.ID) (session.Status, bool, error) {
	return f.Starting(ctx, id)
}

func (f *Scripted) Status(id session.ID) (session.Status, bool) {
	if f.Reading != nil {
		return f.Reading(), true
	}
	status, ok := f.Statuses[id]
	return status, ok
}

func (f *Scripted) Send(ctx context.Context, id session.ID, to message.Recipient, body, key string) (string, error) {
	return f.Sending(ctx, id, to, body, key)
}

func (f *Scripted) Healthy(ctx context.Context) error { return f.Health(ctx) }

func (f *Scripted) Ready() (bool, int, int, string) { return f.Readiness() }
