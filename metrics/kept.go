package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wasup/internal/session"
)

// KeptMedia is the state of the kept files of incoming messages.
type KeptMedia struct {
	Files, Waiting int
	Bytes          int64
	Paused         bool // the disk or the database refuses them
}

// kept watches the files of incoming messages. Its gauges are read at each scrape.
type kept struct {
	metrics *Metrics
	took    prometheus.Histogram
	missed  *prometheus.CounterVec

	files, bytes, waiting, paused *prometheus.Desc
}

func newKept(m *Metrics) *kept {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "kept_media", name), help, nil, nil)
	}
	k := &kept{
		metrics: m,
		took:    histogram("kept_media_fetch_seconds", "Time to fetch the file of an incoming message from WhatsApp and write it to disk, for kept files."),
		missed:  counters("kept_media_failures_total", "Failed attempts to keep the file of an incoming message, and files too large to keep, by cause.", "cause"),
		files:   desc("files", "Files of incoming messages kept on disk."),
		bytes:   desc("bytes", "Size of the files of incoming messages kept on disk."),
		waiting: desc("waiting", "Files of incoming messages still to be fetched. The value is at most a minute old."),
		paused:  desc("paused", "1 while no files are fetched because the disk or the database refused one, else 0."),
	}
	for _, code := range codes() {
		k.missed.WithLabelValues(string(code))
	}
	return k
}

// Describe implements prometheus.Collector.
func (k *kept) Describe(ch chan<- *prometheus.Desc) {
	k.took.Describe(ch)
	k.missed.Describe(ch)
	for _, d := range []*prometheus.Desc{k.files, k.bytes, k.waiting, k.paused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (k *kept) Collect(ch chan<- prometheus.Metric) {
	k.took.Collect(ch)
	k.missed.Collect(ch)
	var now KeptMedia
	if read := k.metrics.sources.Load().KeptMedia; read != nil {
		now = read()
	}
	paused := 0.0
	if now.Paused {
		paused = 1
	}
	for _, gauge := range []struct {
		desc  *prometheus.Desc
		value float64
	}{{k.files, float64(now.Files)}, {k.bytes, float64(now.Bytes)}, {k.waiting, float64(now.Waiting)}, {k.paused, paused}} {
		ch <- prometheus.MustNewConstMetric(gauge.desc, prometheus.GaugeValue, gauge.value)
	}
}

// MediaKept notes a file that is now on the disk.
func (m *Metrics) MediaKept(took time.Duration) { m.kept.took.Observe(took.Seconds()) }

// MediaNotKept notes a failed attempt to keep a file, or a file that is too large.
func (m *Metrics) MediaNotKept(cause session.Code) {
	m.kept.missed.WithLabelValues(string(closed(cause, codes()))).Inc()
}
