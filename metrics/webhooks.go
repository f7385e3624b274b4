package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/internal/webhooks"
)

// Webhooks has the present figures of deliveries.
type Webhooks struct {
	Backlog int           // events that wait to be delivered
	Oldest  time.Duration // the age of the oldest of them
	States  map[string]int
}

// webhookSeries are the series of deliveries. Its gauges are read at each scrape.
type webhookSeries struct {
	metrics  *Metrics
	attempts *prometheus.CounterVec
	took     prometheus.Histogram
	late     prometheus.Histogram
	buried   prometheus.Counter
	missed   prometheus.Counter

	backlog, oldest, states *prometheus.Desc
}

// lateBuckets range from an event that is delivered at once to one whose receiver was down.
func lateBuckets() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200, 86400}
}

func newWebhooks(m *Metrics) *webhookSeries {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	w := &webhookSeries{
		metrics:  m,
		attempts: counters("webhook_attempts_total", "Requests to the receivers of webhooks, by outcome.", "outcome"),
		took:     histogram("webhook_attempt_seconds", "Time that one request to a receiver took, with any outcome."),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "webhook_delay_seconds", Buckets: lateBuckets(),
			Help: "Time from an event to its delivery.",
		}),
		buried: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "webhook_dead_letters_total", Help: "Events that could not be delivered within webhooks.retry_for.",
		}),
		missed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "webhook_missed_events_total", Help: "Events that retention deleted before a webhook got them.",
		}),
		backlog: desc("webhook_backlog", "Events that wait for delivery, counted once for each webhook that wants them. The value is at most some seconds old."),
		oldest:  desc("webhook_oldest_undelivered_seconds", "Age of the oldest event that waits for delivery; 0 if none waits."),
		states:  desc("webhooks", "Webhooks by state: delivering, failing, paused by a person, or disabled because the receiver answered 410.", "state"),
	}
	for _, outcome := range webhooks.Outcomes() {
		w.attempts.WithLabelValues(string(outcome))
	}
	return w
}

// Describe implements prometheus.Collector.
func (w *webhookSeries) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range w.parts() {
		c.Describe(ch)
	}
	ch <- w.backlog
	ch <- w.oldest
	ch <- w.states
}

func (w *webhookSeries) parts() []prometheus.Collector {
	return []prometheus.Collector{w.attempts, w.took, w.late, w.buried, w.missed}
}

// Collect implements prometheus.Collector.
func (w *webhookSeries) Collect(ch chan<- prometheus.Metric) {
	for _, c := range w.parts() {
		c.Collect(ch)
	}
	read := w.metrics.sources.Load().Webhooks
	if read == nil {
		return
	}
	now := read()
	ch <- prometheus.MustNewConstMetric(w.backlog, prometheus.GaugeValue, float64(now.Backlog))
	ch <- prometheus.MustNewConstMetric(w.oldest, prometheus.GaugeValue, now.Oldest.Seconds())
	for _, state := range []string{"delivering", "failing", "paused", "disabled"} {
		ch <- prometheus.MustNewConstMetric(w.states, prometheus.GaugeValue, float64(now.States[state]), state)
	}
}

// WebhookAttempted notes the end of one request to a receiver.
func (m *Metrics) WebhookAttempted(outcome webhooks.Outcome, took time.Duration) {
	m.webhooks.attempts.WithLabelValues(string(closed(outcome, webhooks.Outcomes()))).Inc()
	m.webhooks.took.Observe(took.Seconds())
}

// WebhookDelivered notes how long after an event its delivery was.
func (m *Metrics) WebhookDelivered(late time.Duration) { m.webhooks.late.Observe(late.Seconds()) }

// WebhookDeadLettered notes that an event became a dead letter.
func (m *Metrics) WebhookDeadLettered() { m.webhooks.buried.Inc() }

// WebhookMissed notes that retention deleted undelivered events.
func (m *Metrics) WebhookMissed(n int) { m.webhooks.missed.Add(float64(n)) }
