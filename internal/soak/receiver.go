package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"wasup/internal/accept"
)

// receiver is the webhook receiver. It records every message that arrives in the ledger into.
type receiver struct {
	url    string
	server *http.Server
	served chan struct{}
	into   *ledger

	mu       sync.Mutex
	events   map[string]map[uint64]string // by session and sequence number: the event
	last     map[string]uint64            // by session: the highest sequence number
	told     map[string]int               // by session and event: number of sequence numbers that it came with
	again    int                          // repeated deliveries of an event, which are allowed
	changed  int                          // sequence numbers that came with another event, which a durable log must never do
	gaps     int                          // new sequence numbers below the highest one, which a durable log must never do
	statuses map[string]int               // by state: number of status events
}

// delivery contains the fields of a webhook's body that the receiver uses.
type delivery struct {
	Type    string `json:"type"`
	Session string `json:"session"`
	Seq     uint64 `json:"seq"`
	Data    struct {
		ID      string `json:"id"`
		State   string `json:"state"`
		FromMe  bool   `json:"from_me"`
		Content struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"data"`
}

func newReceiver(into *ledger) (*receiver, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{
		url: "http://" + listener.Addr().String() + "/hook", into: into, served: make(chan struct{}),
		events: make(map[string]map[uint64]string), last: make(map[string]uint64), told: make(map[string]int), statuses: make(map[string]int),
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(r.served)
		_ = r.server.Serve(accept.Wrap(listener, accept.Options{})) // close ends it
	}()
	return r, nil
}

func (r *receiver) close() {
	_ = r.server.Close()
	<-r.served
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(request.Body, 4<<20))
	var d delivery
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.enter(d)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) enter(d delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.events[d.Session]
	if known == nil {
		known = make(map[uint64]string)
		r.events[d.Session] = known
	}
	what := fmt.Sprintf("%s %s %s", d.Type, d.Data.ID, d.Data.State)
	before, again := known[d.Seq]
	switch {
	case again && before != what:
		r.changed++
	case again:
		r.again++
		return
	case d.Seq < r.last[d.Session]:
		r.gaps++
	}
	known[d.Seq] = what
	r.told[d.Session+" "+what]++
	r.last[d.Session] = max(r.last[d.Session], d.Seq)
	switch d.Type {
	case "message.status":
		r.statuses[d.Data.State]++
	case "message.received":
		if !d.Data.FromMe {
			// A message that is in the log twice comes with two sequence numbers, and counts as two copies.
			r.into.arrive(d.Session, d.Data.Content.Text, d.Data.ID, r.told[d.Session+" "+what])
		}
	}
}
