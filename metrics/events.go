package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/internal/events"
)

// logged counts what the durable log of events does.
type logged struct {
	events   *prometheus.CounterVec
	appended prometheus.Histogram
	failed   prometheus.Counter
	dropped  prometheus.Counter
}

func newLogged() logged {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	return logged{
		events:   counters("events_total", "Events that were added to the durable log, by type.", "type"),
		appended: histogram("event_append_seconds", "Time that adding events to the durable log took, until they were on disk."),
		failed:   counter("event_append_failures_total", "Attempts to add events to the durable log that failed; what came from WhatsApp comes again."),
		dropped:  counter("live_readers_dropped_total", "Readers of events that were disconnected because they did not keep up."),
	}
}

func (l *logged) register(m *Metrics) {
	m.registry.MustRegister(l.events, l.appended, l.failed, l.dropped,
		m.sampled("events_kept", "Events between the oldest that retention keeps and the newest.",
			func(s *Sources) func() int { return s.EventsKept }),
		m.sampled("stanzas_waiting", "Stanzas of all sessions that came from WhatsApp and wait to be handled; thousands after a time offline.",
			func(s *Sources) func() int { return s.StanzasWaiting }))
	for _, of := range events.Types() {
		l.events.WithLabelValues(string(of))
	}
}

// EventLogged notes one new event of the durable log.
func (m *Metrics) EventLogged(of events.Type) {
	m.logged.events.WithLabelValues(string(closed(of, events.Types()))).Inc()
}

// EventsAppended notes the end of an attempt to add events.
func (m *Metrics) EventsAppended(took time.Duration, err error) {
	if err != nil {
		m.logged.failed.Inc()
		return
	}
	m.logged.appended.Observe(took.Seconds())
}

// ReaderDropped notes the end of a reader that did not keep up.
func (m *Metrics) ReaderDropped() { m.logged.dropped.Inc() }
