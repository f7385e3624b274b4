package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/internal/events"
)

// logged counts the events, failures and readers of the durable log.
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
		events:   counters("events_total", "Events added to the durable log, by type.", "type"),
		appended: histogram("event_append_seconds", "Time to add events to the durable log, until they are on disk."),
		failed:   counter("event_append_failures_total", "Failed attempts to add events to the durable log. WhatsApp delivers incoming events again."),
		dropped:  counter("live_readers_dropped_total", "Readers of events disconnected because they were so slow that retention deleted events they had not read."),
	}
}

func (l *logged) register(m *Metrics) {
	m.registry.MustRegister(l.events, l.appended, l.failed, l.dropped,
		m.sampled("events_kept", "Events from the oldest one that retention keeps to the newest.",
			func(s *Sources) func() int { return s.EventsKept }),
		m.sampled("stanzas_waiting", "Stanzas of all sessions that were received from WhatsApp and wait to be handled. Thousands are normal after a time offline.",
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

// ReaderDropped notes the end of a reader whom retention has overtaken.
func (m *Metrics) ReaderDropped() { m.logged.dropped.Inc() }
