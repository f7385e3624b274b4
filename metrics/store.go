package metrics

import "github.com/prometheus/client_golang/prometheus"

// Store is the condition of the database.
type Store struct {
	Failing   bool
	Free      uint64 // bytes that are free on the disk of a SQLite file
	FreeKnown bool
}

// storeCondition reads the condition of the database at each scrape.
type storeCondition struct {
	metrics       *Metrics
	failing, free *prometheus.Desc
}

func newStoreCondition(m *Metrics) *storeCondition {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "store", name), help, nil, nil)
	}
	return &storeCondition{
		metrics: m,
		failing: desc("failing", "1 while the database takes no writes: the disk is full, another program has locked it, or the server is away. Nothing can be sent or received then. Without traffic a trial write every 30 s finds out."),
		free:    desc("free_bytes", "Free bytes of the file system that holds the SQLite database. PostgreSQL has no series."),
	}
}

// Describe implements prometheus.Collector.
func (s *storeCondition) Describe(ch chan<- *prometheus.Desc) {
	ch <- s.failing
	ch <- s.free
}

// Collect implements prometheus.Collector.
func (s *storeCondition) Collect(ch chan<- prometheus.Metric) {
	read := s.metrics.sources.Load().Store
	if read == nil {
		return
	}
	now := read()
	failing := 0.0
	if now.Failing {
		failing = 1
	}
	ch <- prometheus.MustNewConstMetric(s.failing, prometheus.GaugeValue, failing)
	if now.FreeKnown {
		ch <- prometheus.MustNewConstMetric(s.free, prometheus.GaugeValue, float64(now.Free))
	}
}
