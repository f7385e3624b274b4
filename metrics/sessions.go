package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/session"
)

// sessions counts sessions by what each of them is in now. It keeps the
// present state of each one instead of adding and subtracting on events: a
// repeated or a missing event then cannot make the gauges drift.
type sessions struct {
	mu      sync.Mutex
	current map[session.ID]stateAndCause

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

func newSessions(perSession bool) *sessions {
	return &sessions{
		current:    map[session.ID]stateAndCause{},
		perSession: perSession,
		byState: prometheus.NewDesc("wasup_sessions",
			"Sessions held by this process, by state.", []string{"state"}, nil),
		quarantined: prometheus.NewDesc("wasup_sessions_quarantined",
			"Sessions that crashed too often and wait for a person or a cool-down.", nil, nil),
		outdated: prometheus.NewDesc("wasup_client_outdated",
			"1 while WhatsApp refuses this version of the client library (405); every session of the process is concerned.", nil, nil),
		each: prometheus.NewDesc("wasup_session_state",
			"Always 1: the present state and cause of each session. Only with metrics.per_session.", []string{"session", "state", "cause"}, nil),
	}
}

// set reports whether anything is new.
func (s *sessions) set(id session.ID, state session.State, cause session.Cause) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := stateAndCause{state, cause}
	if before, known := s.current[id]; known && before == next {
		return false
	}
	s.current[id] = next
	return true
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
			each[id] = now
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
