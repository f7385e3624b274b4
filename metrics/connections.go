package metrics

import "github.com/prometheus/client_golang/prometheus"

// Connections has the figures of the HTTP listener. All but Open and Max only ever grow.
type Connections struct {
	Open, Max int
	Evicted   uint64 // idle connections that were closed for new ones
	Refused   uint64 // new connections that were answered with 503, because none was idle
	Failed    uint64 // attempts to accept a connection that the system refused
}

// connections reads the figures of the HTTP listener at each scrape.
type connections struct {
	metrics                               *Metrics
	open, limit, evicted, refused, failed *prometheus.Desc
}

func newConnections(m *Metrics) *connections {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "http", name), help, nil, nil)
	}
	return &connections{
		metrics: m,
		open:    desc("connections", "Open HTTP connections."),
		limit:   desc("connections_max", "HTTP connections that may be open at once: http.max_connections."),
		evicted: desc("connections_evicted_total", "Idle HTTP connections that were closed at the limit, to make room for new ones."),
		refused: desc("connections_refused_total", "New HTTP connections that were answered with 503 at the limit, because no other one was idle."),
		failed:  desc("accept_failures_total", "Attempts to accept an HTTP connection that the system refused for a moment, for example because no file descriptor is left."),
	}
}

// Describe implements prometheus.Collector.
func (c *connections) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.open, c.limit, c.evicted, c.refused, c.failed} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *connections) Collect(ch chan<- prometheus.Metric) {
	read := c.metrics.sources.Load().Connections
	if read == nil {
		return
	}
	now := read()
	ch <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(now.Open))
	ch <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(now.Max))
	ch <- prometheus.MustNewConstMetric(c.evicted, prometheus.CounterValue, float64(now.Evicted))
	ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(now.Refused))
	ch <- prometheus.MustNewConstMetric(c.failed, prometheus.CounterValue, float64(now.Failed))
}
