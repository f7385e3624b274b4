package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Pool has the figures of one pool of database connections. Waits and WaitTime
// only ever grow.
type Pool struct {
	Name     string // closed: "postgres", or "writer" and "readers" of SQLite
	Max      int
	InUse    int
	Idle     int
	Waits    int64
	WaitTime time.Duration
}

// pools reads the figures of the database's pools at each scrape.
type pools struct {
	metrics                          *Metrics
	open, limit, waits, waitsSeconds *prometheus.Desc
}

func newPools(m *Metrics) *pools {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "store", name), help, append([]string{"pool"}, labels...), nil)
	}
	return &pools{
		metrics:      m,
		open:         desc("connections", "Open database connections: in_use ones run a statement or a transaction, idle ones are free.", "use"),
		limit:        desc("connections_max", "Database connections that may be open at once."),
		waits:        desc("connection_waits_total", "How often a caller waited for a free database connection."),
		waitsSeconds: desc("connection_wait_seconds_total", "Time that callers waited for a free database connection."),
	}
}

// Describe implements prometheus.Collector.
func (p *pools) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.open, p.limit, p.waits, p.waitsSeconds} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p *pools) Collect(ch chan<- prometheus.Metric) {
	read := p.metrics.sources.Load().Pools
	if read == nil {
		return
	}
	for _, pool := range read() {
		gauge := func(d *prometheus.Desc, value int, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), append([]string{pool.Name}, labels...)...)
		}
		gauge(p.open, pool.InUse, "in_use")
		gauge(p.open, pool.Idle, "idle")
		gauge(p.limit, pool.Max)
		ch <- prometheus.MustNewConstMetric(p.waits, prometheus.CounterValue, float64(pool.Waits), pool.Name)
		ch <- prometheus.MustNewConstMetric(p.waitsSeconds, prometheus.CounterValue, pool.WaitTime.Seconds(), pool.Name)
	}
}
