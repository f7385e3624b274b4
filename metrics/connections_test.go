package metrics

import "testing"

func TestTheConnectionsAreReadAtEachScrape(t *testing.T) {
	m := New(Options{})
	m.Watch(Sources{Connections: func() Connections { return Connections{Open: 5, Max: 256, Evicted: 3, Refused: 2, Failed: 1} }})
	expect(t, m, `
# HELP wasup_http_accept_failures_total Attempts to accept an HTTP connection that the system refused for a moment, for example because no file descriptor is left.
# TYPE wasup_http_accept_failures_total counter
wasup_http_accept_failures_total 1
# HELP wasup_http_connections Open HTTP connections.
# TYPE wasup_http_connections gauge
wasup_http_connections 5
# HELP wasup_http_connections_evicted_total Idle HTTP connections that were closed at the limit, to make room for new ones.
# TYPE wasup_http_connections_evicted_total counter
wasup_http_connections_evicted_total 3
# HELP wasup_http_connections_max HTTP connections that may be open at once: http.max_connections.
# TYPE wasup_http_connections_max gauge
wasup_http_connections_max 256
# HELP wasup_http_connections_refused_total New HTTP connections that were answered with 503 at the limit, because no other one was idle.
# TYPE wasup_http_connections_refused_total counter
wasup_http_connections_refused_total 2
`, "wasup_http_connections", "wasup_http_connections_max", "wasup_http_connections_evicted_total", "wasup_http_connections_refused_total", "wasup_http_accept_failures_total")
}
