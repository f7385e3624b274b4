package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/internal/session"
)

// sessions counts sessions by their present state. It keeps the state of each
// session instead of adding and subtracting on events, so a repeated or missing
// event cannot make the gauges drift.
type sessions struct {
	mu      sync.Mutex
	current map[session.ID]journey
	now     func() time.Time

	perSession  bool
	byState     *prometheus.Desc
	quarantined *prometheus.Desc
	outdated    *prometheus.Desc
	each        *prometheus.Desc
}

type stateAndCause struct {
	state session.State
	cause session.Cause
}

// journey is the present state of a session, with the times from which durations are measured.
type journey struct {
	stateAndCause
	since time.Time // of the state
	began time.Time // of the attempt to connect that is under way; zero: none is
}

func newSessions(perSession bool) *sessions {
	return &sessions{
		current:    map[session.ID]journey{},
		now:        time.Now,
		perSession: perSession,
		byState: prometheus.NewDesc("wasup_sessions",
			"Sessions held by this process, by state.", []string{"state"}, nil),
		quarantined: prometheus.NewDesc("wasup_sessions_quarantined",
			"Sessions in quarantine: they crashed too often and wait for a person or the cool-down.", nil, nil),
		outdated: prometheus.NewDesc("wasup_client_outdated",
			"1 while WhatsApp refuses this version of the client library (405). This concerns every session of the process.", nil, nil),
		each: prometheus.NewDesc("wasup_session_state",
			"Always 1. The labels are the present state and cause of each session. Only with metrics.per_session.", []string{"session", "state", "cause"}, nil),
	}
}

// passage describes one change of a session's state or cause.
type passage struct {
	before     session.State // "": the session was not known
	in         time.Duration // how long it was in the state before
	reconnects bool          // a lost link is being answered by another attempt
	took       time.Duration // from the beginning of the attempt; 0 where none was under way
}

// set reports whether anything is new, and describes the change.
func (s *sessions) set(id session.ID, state session.State, cause session.Cause) (passage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	before, known := s.current[id]
	next := journey{stateAndCause{state, cause}, before.since, before.began}
	if known && before.stateAndCause == next.stateAndCause {
		return passage{}, false
	}
	var p passage
	if !known || before.state != state {
		next.since = now
		if known {
			p.before, p.in = before.state, now.Sub(before.since)
		}
	}
	switch {
	case !connecting(state):
		if !before.began.IsZero() {
			p.took = now.Sub(before.began)
		}
		next.began = time.Time{}
	case before.began.IsZero() || !connecting(before.state):
		next.began = now
	}
	p.reconnects = connecting(state) && before.state == session.DisconnectedRecoverable
	s.current[id] = next
	return p, true
}

func connecting(state session.State) bool {
	return state == session.Initializing || state == session.Reconnecting
}

func (s *sessions) remove(id session.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.current, id)
}

// Describe implements prometheus.Collector.
func (s *sessions) Describe(ch chan<- *prometheus.Desc) {
	ch <- s.byState
	ch <- s.quarantined
	ch <- s.outdated
	if s.perSession {
		ch <- s.each
	}
}

// Collect implements prometheus.Collector. It reads under the lock and sends
// after it, because the receiver may be slow.
func (s *sessions) Collect(ch chan<- prometheus.Metric) {
	counts := map[session.State]int{}
	for _, state := range session.States() {
		counts[state] = 0
	}
	quarantined, outdated := 0, 0
	var each map[session.ID]stateAndCause

	s.mu.Lock()
	if s.perSession {
		each = make(map[session.ID]stateAndCause, len(s.current))
	}
	for id, now := range s.current {
		counts[now.state]++
		switch now.cause {
		case session.CauseQuarantined:
			quarantined++
		case session.CauseClientOutdated:
			outdated = 1
		default: // no gauge of its own
		}
		if s.perSession {
			each[id] = now.stateAndCause
		}
	}
	s.mu.Unlock()

	for state, n := range counts {
		ch <- prometheus.MustNewConstMetric(s.byState, prometheus.GaugeValue, float64(n), string(state))
	}
	ch <- prometheus.MustNewConstMetric(s.quarantined, prometheus.GaugeValue, float64(quarantined))
	ch <- prometheus.MustNewConstMetric(s.outdated, prometheus.GaugeValue, float64(outdated))
	for id, now := range each {
		ch <- prometheus.MustNewConstMetric(s.each, prometheus.GaugeValue, 1, string(id), string(now.state), string(now.cause))
	}
}
