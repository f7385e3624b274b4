package metrics

import "github.com/prometheus/client_golang/prometheus"

// clientVersion reads the version at each scrape: the version changes while the
// process runs, and the series of the previous one must disappear.
type clientVersion struct {
	desc    *prometheus.Desc
	sources func() *Sources
}

func newClientVersion(sources func() *Sources) clientVersion {
	return clientVersion{sources: sources, desc: prometheus.NewDesc("wasup_client_version_info",
		"Always 1. The label is the client version that wasup shows to WhatsApp. wasup changes it when WhatsApp refuses the previous one.", []string{"version"}, nil)}
}

// Describe implements prometheus.Collector.
func (c clientVersion) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c clientVersion) Collect(ch chan<- prometheus.Metric) {
	read := c.sources().ClientVersion
	if read == nil {
		return
	}
	if version := read(); version != "" {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, 1, version)
	}
}
