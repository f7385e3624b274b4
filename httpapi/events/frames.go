package events

import (
	"encoding/json"
	"log/slog"
	"strconv"
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
	live      bool             // all stored events were sent; further events come through the subscription's channel
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

// readStored returns stored events that were not sent yet. If there are none, further events come through the channel.
// false: the stream must end.
func (r *reader) readStored() ([]events.Event, bool) {
	found, err := r.sub.Past(r.of.host.Life.Waits())
	if err != nil {
		if r.of.host.Life.Waits().Err() == nil {
			r.of.host.Log.Warn("an event stream ended because the log could not be read", slog.Any("err", err))
		}
		return nil, false
	}
	r.live = len(found) == 0
	return found, true
}

func (r *reader) close() {
	r.sub.Close()
	r.of.open.Add(-1)
}
