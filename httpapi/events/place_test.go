package events

import (
	"testing"
	"time"

	"wasup/httpapi/rest"
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
	st := &stream{reader: reader{of: r, sub: sub}, beat: time.NewTimer(time.Hour)}
	for range 2 {
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r.open.Load() != 1 || sub.closed != 1 {
		t.Errorf("%d streams are counted, and the subscription was closed %d times", r.open.Load(), sub.closed)
	}
}
