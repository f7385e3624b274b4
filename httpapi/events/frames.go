package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"wasup/httpapi/wire"
	"wasup/internal/events"
	"wasup/internal/session"
)

// Describer writes the data of events about a session's state: session.state, session.qr, session.removed and
// session.snapshot.
type Describer struct {
	Now func() time.Time
	Log *slog.Logger
}

// Describe returns the data of one event. skipped is how many earlier states were not stored.
func (d Describer) Describe(of events.Type, status session.Status, skipped int) json.RawMessage {
	now := d.Now()
	data := v1EventState{Skipped: skipped}
	if of != events.TypeRemoved {
		there := wire.SessionOf(&status, now)
		data.Session = &there
	}
	if (of == events.TypeQR || of == events.TypeSnapshot) && wire.Scannable(&status, now) {
		qr := wire.QROf(status.QR)
		data.QR = &qr
	}
	return encoded(d.Log, data)
}

func encoded(log *slog.Logger, data any) json.RawMessage {
	text, err := json.Marshal(data)
	if err != nil {
		log.Error("an event could not be written as JSON", slog.Any("err", err))
		return json.RawMessage("{}")
	}
	return text
}

// frame returns the JSON of a stored event.
func frame(event *events.Event) v1Event {
	return v1Event{
		ID: strconv.FormatUint(event.Pos, 10), Seq: event.Seq, At: wire.Stamp(event.At), Type: v1EventType(event.Type),
		SessionID: string(event.Session), Data: event.Data,
	}
}

func (r *Resource) snapshot(status *session.Status, pictures bool) v1Event {
	out := v1Event{
		At: wire.Stamp(r.host.Now()), Type: v1EventType(events.TypeSnapshot), SessionID: string(status.ID),
		Data: Describer{r.host.Now, r.host.Log}.Describe(events.TypeSnapshot, *status, 0),
	}
	if pictures {
		out.Data = r.pictured(out.Data)
	}
	return out
}

// pictured adds the picture of the code. If it cannot be drawn, the data still has the code.
func (r *Resource) pictured(data json.RawMessage) json.RawMessage {
	var state v1EventState
	if err := json.Unmarshal(data, &state); err != nil || state.QR == nil {
		return data
	}
	state.QR.Image, _ = r.pictures.DataURL(state.QR.Code)
	return encoded(r.host.Log, state)
}

// reader is one caller that follows events. It is the common part of event streams and WebSockets.
type reader struct {
	of        *Resource
	id        session.ID // "": all sessions
	sub       Subscription
	pictures  bool
	snapshots []session.Status // snapshots that were not sent yet
	showing   bool             // the snapshots, or the id that follows them, were not sent completely

	ctx     context.Context // of the loads
	cancel  context.CancelFunc
	loads   sync.WaitGroup
	loading bool           // the next chunk comes through loaded
	loaded  chan chunk     // with room for one
	waiting []events.Event // loaded, but not written yet
	rest    *pieces        // the large event that is written after those, piece by piece
	idle    bool           // the caller has all events; the subscription tells of further ones
}

func newReader(of *Resource, id session.ID, sub Subscription, pictures bool) *reader {
	r := &reader{of: of, id: id, sub: sub, pictures: pictures, loaded: make(chan chunk, 1)}
	r.ctx, r.cancel = context.WithCancel(of.host.Life.Waits())
	return r
}

// loadSnapshots takes the snapshots to send.
func (r *reader) loadSnapshots() {
	r.showing = true
	if r.id == "" {
		r.snapshots = r.of.sessions.List()
	} else if status, ok := r.of.host.Sessions.Status(r.id); ok {
		r.snapshots = []session.Status{status}
	}
	for i := range r.snapshots {
		r.keepAttended(&r.snapshots[i])
	}
}

// frameFor returns the JSON of a stored event for this caller, with the picture of a code if the caller asked for
// pictures.
func (r *reader) frameFor(event *events.Event) v1Event {
	out := frame(event)
	if event.Type != events.TypeQR {
		return out
	}
	if r.pictures {
		out.Data = r.of.pictured(out.Data)
	}
	if status, ok := r.of.host.Sessions.Status(event.Session); ok {
		r.keepAttended(&status)
	}
	return out
}

// keepAttended keeps a pairing attended if the caller follows one session, because it then waits for the scan. A caller
// that follows all sessions only watches.
func (r *reader) keepAttended(status *session.Status) {
	if r.id != "" && wire.Scannable(status, r.of.host.Now()) {
		r.of.host.Watch(status)
	}
}

// load begins to read the next events, or the next piece of a large one. The result comes through loaded, so that the
// caller of a stream gets heartbeats while it waits.
func (r *reader) load() {
	r.loading = true
	r.loads.Go(func() {
		var got chunk
		defer func() {
			if reason := recover(); reason != nil {
				got.err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
			}
			r.loaded <- got
		}()
		if r.rest != nil {
			got.rest, got.err = r.rest.next(r.ctx, r.sub)
			return
		}
		got.found, got.err = r.sub.Next(r.ctx)
		if last := len(got.found) - 1; last >= 0 && len(got.found[last].Data) > events.ChunkBytes {
			got.rest = newPieces(&got.found[last])
			got.found = got.found[:last]
		}
	})
}

// chunk is what was loaded: events to write, and after them a large one, or its next piece.
type chunk struct {
	found []events.Event
	rest  *pieces
	err   error
}

// take notes what was loaded. false: the stream must end.
func (r *reader) take(got chunk) bool {
	r.loading = false
	if got.err != nil {
		if r.ctx.Err() == nil && !errors.Is(got.err, events.ErrClosed) {
			r.of.host.Log.Warn("an event stream ended because the log could not be read", slog.Any("err", got.err))
		}
		return false
	}
	r.waiting, r.rest = got.found, got.rest
	r.idle = len(r.waiting) == 0 && r.rest == nil
	return true
}

// close ends the reader. It waits for what it loads.
func (r *reader) close() {
	r.cancel()
	r.loads.Wait()
	r.sub.Close()
	r.of.open.Add(-1)
}
