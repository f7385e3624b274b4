package metrics

import "github.com/prometheus/client_golang/prometheus"

// Commits are the durable writes since the process started. They only ever grow.
type Commits struct {
	Works        int64 // changes that are on the disk
	Transactions int64 // that committed the changes
}

// commits reads the figures of the store's group commit at each scrape.
type commits struct {
	metrics             *Metrics
	works, transactions *prometheus.Desc
}

func newCommits(m *Metrics) *commits {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "store", name), help, nil, nil)
	}
	return &commits{
		metrics:      m,
		works:        desc("works_total", "Committed changes to outgoing messages, receipts and events."),
		transactions: desc("transactions_total", "Transactions that committed changes to outgoing messages, receipts and events. Changes that wait at the same moment share one transaction and one flush of the disk."),
	}
}

// Describe implements prometheus.Collector.
func (c *commits) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.works
	ch <- c.transactions
}

// Collect implements prometheus.Collector.
func (c *commits) Collect(ch chan<- prometheus.Metric) {
	read := c.metrics.sources.Load().Commits
	if read == nil {
		return
	}
	figures := read()
	ch <- prometheus.MustNewConstMetric(c.works, prometheus.CounterValue, float64(figures.Works))
	ch <- prometheus.MustNewConstMetric(c.transactions, prometheus.CounterValue, float64(figures.Transactions))
}
