package app

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/session"
	"wasup/supervisor"
)

// saboteur stands between the rooms and panics at the places that the test chose.
type saboteur struct {
	mu    sync.Mutex
	armed map[session.ID]bomb
}

// bomb is a place, and how often the saboteur panics there.
type bomb struct {
	where string
	times int
}

func (s *saboteur) arm(id session.ID, where string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed[id] = bomb{where, times}
}

func (s *saboteur) blow(id session.ID, where string) {
	s.mu.Lock()
	b := s.armed[id]
	hit := b.where == where && b.times > 0
	if hit {
		b.times--
		s.armed[id] = b
	}
	s.mu.Unlock()
	if hit {
		panic(fmt.Sprintf("sabotage in the %s of %s", where, id))
	}
}

func (s *saboteur) seams() seams {
	return seams{
		dialer:    func(next session.Dialer) session.Dialer { return badDialer{next, s} },
		followers: []supervisor.Follower{badFollower{s}},
	}
}

type badFollower struct{ of *saboteur }

// SessionChanged runs in the actor itself.
func (f badFollower) SessionChanged(id session.ID, _ session.State, _ session.Cause) {
	f.of.blow(id, "actor")
}

func (badFollower) SessionRemoved(session.ID) {}

type badDialer struct {
	session.Dialer
	of *saboteur
}

// Open runs in an effect's goroutine, and Post in the goroutine that calls whatsmeow's event handlers.
func (d badDialer) Open(ctx context.Context, run session.Run) (session.Client, error) {
	d.of.blow(run.Session, "opening")
	post := run.Post
	run.Post = func(in session.Input) {
		if in.Kind == session.SocketUp {
			d.of.blow(run.Session, "event handler")
		}
		post(in)
	}
	client, err := d.Dialer.Open(ctx, run)
	if err != nil {
		return nil, err
	}
	return badClient{client, client.(message.Client), run.Session, d.of}, nil
}

// messaging is another name of message.Client, because two embedded types cannot share a name.
type messaging = message.Client

type badClient struct {
	session.Client
	messaging
	id session.ID
	of *saboteur
}

func (c badClient) Send(ctx context.Context, msg message.Outgoing) (message.Ack, error) {
	c.of.blow(c.id, "sending")
	return c.messaging.Send(ctx, msg)
}

func TestAPanicInOneSessionRestartsThatSessionAlone(t *testing.T) {
	f := theFleet.use(t)
	bad := &saboteur{armed: make(map[session.ID]bomb)}
	h := open(t, f.server, f.config(), bad.seams())
	for i := range fleetSize {
		h.ready(int64(i + 1))
	}
	for i, c := range []struct {
		where   string
		trigger func(client int64, phone *sandbox.Phone)
	}{
		{"actor", func(_ int64, phone *sandbox.Phone) { f.server.DropTCP(faults.Select{Account: phone.Number()}) }},
		{"opening", func(_ int64, phone *sandbox.Phone) { f.server.DropTCP(faults.Select{Account: phone.Number()}) }},
		{"event handler", func(_ int64, phone *sandbox.Phone) { f.server.DropTCP(faults.Select{Account: phone.Number()}) }},
		{"sending", func(client int64, _ *sandbox.Phone) {
			h.Send(client, f.phones[0].Number(), "x").Is(200) // it waits for the attempt that follows
		}},
	} {
		client, phone := int64(10*(i+1)), f.phones[10*(i+1)-1]
		before := h.incarnations()
		bad.arm(session.NumericID(client), c.where, 1)
		c.trigger(client, phone)
		h.ready(client)
		h.Get("/status", client).Is(200).With("state", "READY", "can_send_messages", true)
		if n := h.status(client).Restarts; n != 1 {
			t.Errorf("%s: the session was restarted %d times", c.where, n)
		}
		for id, incarnation := range h.incarnations() {
			switch changed := incarnation != before[id]; {
			case id == session.NumericID(client) && !changed:
				t.Errorf("%s: the session kept its client run", c.where)
			case id != session.NumericID(client) && changed:
				t.Errorf("%s: session %s went from run %d to %d", c.where, id, before[id], incarnation)
			}
		}
	}
	h.quarantined(bad, f.phones[49], 50)
	for _, status := range h.app.sessions.List() {
		if !status.HasDevice {
			continue // another test asked for a code of this session and did not use it
		}
		if status.State != session.Ready {
			t.Errorf("session %s is %s", status.ID, status.State)
		}
		if h.seen.count(status.ID, session.QRRequired) != 0 {
			t.Errorf("session %s showed a QR", status.ID)
		}
	}
}

// quarantined makes a session crash until it is quarantined, and then starts it as a person does.
func (h *house) quarantined(bad *saboteur, phone *sandbox.Phone, client int64) {
	h.t.Helper()
	before := h.incarnations()
	bad.arm(session.NumericID(client), "opening", h.cfg.Supervisor.Restarts+1)
	h.server.DropTCP(faults.Select{Account: phone.Number()})
	h.comes(client, session.Errored, session.CauseQuarantined)
	h.Get("/status", client).Is(200).With("state", "ERROR")
	h.Get("/qr-code", client).Is(409).With("current_state", "READY")
	for id, incarnation := range h.incarnations() {
		if id != session.NumericID(client) && incarnation != before[id] {
			h.t.Errorf("quarantine: session %s went from run %d to %d", id, before[id], incarnation)
		}
	}
}

func (h *house) incarnations() map[session.ID]session.Incarnation {
	all := make(map[session.ID]session.Incarnation)
	for _, status := range h.app.sessions.List() {
		all[status.ID] = status.Incarnation
	}
	return all
}
