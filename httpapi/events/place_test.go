package events

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"wasup/httpapi/rest"
	"wasup/internal/events"
)

// ended is a subscription that counts how often it was closed.
type ended struct {
	Subscription
	closed int
}

func (e *ended) Close() { e.closed++ }

func TestAReaderGivesItsPlaceBackOnce(t *testing.T) {
	r := New(&rest.Host{Life: rest.NewLife()}, nil, nil, nil, Limits{Streams: 2, Heartbeat: time.Hour})
	r.open.Store(2)
	sub := &ended{}
	st := &stream{reader: newReader(r, "", sub, false), beat: time.NewTimer(time.Hour)}
	for range 2 {
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r.open.Load() != 1 || sub.closed != 1 {
		t.Errorf("%d streams are counted, and the subscription was closed %d times", r.open.Load(), sub.closed)
	}
}

// busy is a subscription whose turn comes when the test says so.
type busy struct {
	Subscription
	turn chan []events.Event
}

func (b *busy) Next(ctx context.Context) ([]events.Event, error) {
	select {
	case found := <-b.turn:
		return found, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *busy) C() <-chan struct{} { return nil }
func (b *busy) Close()             {}

func TestAReaderThatWaitsForItsTurnGetsHeartbeats(t *testing.T) {
	r := New(&rest.Host{Life: rest.NewLife()}, nil, nil, nil, Limits{Streams: 1, Heartbeat: time.Millisecond})
	r.open.Store(1)
	sub := &busy{turn: make(chan []events.Event)}
	st := &stream{reader: newReader(r, "", sub, false), conn: deaf{}, beat: time.NewTimer(time.Hour)}
	read := func() string {
		buffer := make([]byte, 4096)
		n, err := st.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	for range 3 {
		if got := read(); got != ": heartbeat\n\n" {
			t.Errorf("it got %q", got)
		}
	}
	sub.turn <- []events.Event{{Pos: 7, Type: events.TypeCall, Data: []byte("{}")}}
	for {
		if got := read(); strings.HasPrefix(got, "id: 7\nevent: call\n") {
			break
		} else if got != ": heartbeat\n\n" {
			t.Fatalf("then it got %q", got)
		}
	}
	// It ends while it waits again.
	if got := read(); got != ": heartbeat\n\n" {
		t.Errorf("afterwards it got %q", got)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// deaf is a connection that takes every deadline.
type deaf struct{ net.Conn }

func (deaf) SetWriteDeadline(time.Time) error { return nil }
