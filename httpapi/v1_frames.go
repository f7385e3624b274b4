package httpapi

import (
	"encoding/json"
	"log/slog"
	"strconv"

	"wasup/internal/session"
)

// Describe writes what an event of a session's state says: the data of session.state, session.qr and session.removed.
// skipped is how many states before it were not stored.
func (s *Server) Describe(of session.EventType, status session.Status, skipped int) json.RawMessage {
	data := v1EventState{Skipped: skipped}
	if of != session.EventRemoved {
		now := s.v1SessionOf(&status)
		data.Session = &now
	}
	if (of == session.EventQR || of == session.EventSnapshot) && s.scannable(&status) {
		qr := v1QROf(status.QR)
		data.QR = &qr
	}
	return s.encoded(data)
}

func (s *Server) encoded(data any) json.RawMessage {
	text, err := json.Marshal(data)
	if err != nil {
		s.deps.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		return json.RawMessage("{}")
	}
	return text
}

// frame is a stored event as every reader gets it.
func frame(event *session.Event) v1Event {
	return v1Event{
		ID: strconv.FormatUint(event.Pos, 10), Seq: event.Seq, At: stamp(event.At), Type: v1EventType(event.Type),
		SessionID: string(event.Session), Data: event.Data,
	}
}

func (s *Server) snapshot(status *session.Status, pictures bool) v1Event {
	out := v1Event{
		At: stamp(s.cfg.Now()), Type: v1EventType(session.EventSnapshot), SessionID: string(status.ID),
		Data: s.Describe(session.EventSnapshot, *status, 0),
	}
	if pictures {
		out.Data = s.pictured(out.Data)
	}
	return out
}

// pictured adds the drawing of a code. Without it the code itself is still there.
func (s *Server) pictured(data json.RawMessage) json.RawMessage {
	var state v1EventState
	if err := json.Unmarshal(data, &state); err != nil || state.QR == nil {
		return data
	}
	state.QR.Image, _ = s.deps.Pictures.DataURL(state.QR.Code)
	return s.encoded(state)
}

// reader is what the two kinds of streams have in common: one caller that follows events.
type reader struct {
	of        *Server
	id        session.ID // "": all sessions
	sub       Subscription
	pictures  bool
	snapshots []session.Status // still to be told
	showing   bool             // the snapshots, and then what the caller knows once it has them
	live      bool             // everything stored was told; the rest comes through the subscription's channel
}

// present prepares the present state.
func (r *reader) present() {
	r.showing = true
	if r.id == "" {
		r.snapshots = r.of.deps.Slots.List()
	} else if status, ok := r.of.deps.Sessions.Status(r.id); ok {
		r.snapshots = []session.Status{status}
	}
	for i := range r.snapshots {
		r.attend(&r.snapshots[i])
	}
}

// tell is a stored event as this caller wants it.
func (r *reader) tell(event *session.Event) v1Event {
	out := frame(event)
	if event.Type != session.EventQR {
		return out
	}
	if r.pictures {
		out.Data = r.of.pictured(out.Data)
	}
	if status, ok := r.of.deps.Sessions.Status(event.Session); ok {
		r.attend(&status)
	}
	return out
}

// attend: who follows one session waits for its scan. Who follows all of them watches, and asks for nothing.
func (r *reader) attend(status *session.Status) {
	if r.id != "" && r.of.scannable(status) {
		r.of.watch(*status)
	}
}

// past gives what is stored and was not told yet; none: the rest comes through the channel. false: the stream is over.
func (r *reader) past() ([]session.Event, bool) {
	found, err := r.sub.Past(r.of.waits)
	if err != nil {
		if r.of.waits.Err() == nil {
			r.of.deps.Log.Warn("an event stream ended, because the log could not be read", slog.Any("err", err))
		}
		return nil, false
	}
	r.live = len(found) == 0
	return found, true
}

func (r *reader) close() {
	r.sub.Close()
	r.of.streams.Add(-1)
}
