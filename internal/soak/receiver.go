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
)

// receiver is the webhook receiver: it enters every message that it is told of.
type receiver struct {
	url    string
	server *http.Server
	served chan struct{}
	into   *ledger

	mu     sync.Mutex
	events map[string]map[uint64]string // by session and sequence: what it was
	last   map[string]uint64
	told   map[string]int // under how many numbers of its session an event was told
	// What a durable log must never do.
	again    int // deliveries of an event that had been delivered: allowed, and counted
	changed  int // a sequence number that came with another event
	gaps     int // numbers of one session that were skipped backwards
	statuses map[string]int
}

// delivery is the part of a webhook's body that is looked at.
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
		_ = r.server.Serve(listener) // it ends with close
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
			// Another sequence number is another event: were one message in the log twice, it would be told twice.
			r.into.arrive(d.Session, d.Data.Content.Text, d.Data.ID, r.told[d.Session+" "+what])
		}
	}
}
