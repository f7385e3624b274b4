package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Backlog is the outgoing messages that wait to be sent.
type Backlog struct {
	Messages int           // queued or being sent
	Sessions int           // that have some
	Oldest   time.Duration // since the longest waiting one was accepted, or became due
	Held     int           // messages that wait for a person, because another account is linked now
}

// MessageChanged notes that an outgoing message reached a state. cause is the
// code of the error if it failed, "" otherwise.
func (m *Metrics) MessageChanged(state message.State, cause session.Code) {
	if cause != "" {
		cause = closed(cause, codes())
	}
	m.messages.WithLabelValues(string(closed(state, message.States())), string(cause)).Inc()
}

// MessageAcked notes how long an accepted message took to be acknowledged.
func (m *Metrics) MessageAcked(took time.Duration) { m.accepted.Observe(took.Seconds()) }

// MessageRetried notes that an attempt is repeated, and why.
func (m *Metrics) MessageRetried(cause session.Code) {
	m.retries.WithLabelValues(string(closed(cause, codes()))).Inc()
}

func (m *Metrics) startMessages() {
	for _, state := range message.States() {
		if state == message.Failed {
			continue // always for a cause
		}
		m.messages.WithLabelValues(string(state), "")
	}
	for _, code := range codes() {
		m.messages.WithLabelValues(string(message.Failed), string(code))
		m.retries.WithLabelValues(string(code))
	}
}

// queue reads the backlog at each scrape.
type queue struct {
	metrics                        *Metrics
	messages, sessions, aged, held *prometheus.Desc
}

func newBacklog(m *Metrics) *queue {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "outbox", name), help, nil, nil)
	}
	return &queue{
		metrics:  m,
		messages: desc("messages", "Outgoing messages that are queued or being sent."),
		sessions: desc("sessions", "Sessions with outgoing messages that are queued or being sent."),
		held:     desc("held_messages", "Outgoing messages that were accepted for an account that is not linked any more. They wait for a person."),
		aged:     desc("oldest_seconds", "Age of the oldest waiting outgoing message, since its acceptance or its send_at."),
	}
}

// Describe implements prometheus.Collector.
func (q *queue) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{q.messages, q.sessions, q.aged, q.held} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (q *queue) Collect(ch chan<- prometheus.Metric) {
	var now Backlog
	if read := q.metrics.sources.Load().Backlog; read != nil {
		now = read()
	}
	for _, gauge := range []struct {
		desc  *prometheus.Desc
		value float64
	}{{q.messages, float64(now.Messages)}, {q.sessions, float64(now.Sessions)}, {q.aged, max(0, now.Oldest.Seconds())}, {q.held, float64(now.Held)}} {
		ch <- prometheus.MustNewConstMetric(gauge.desc, prometheus.GaugeValue, gauge.value)
	}
}
