// Package metrics owns everything that Prometheus reads: the names, labels and
// buckets of every wasup_* series, and the handler that serves them. Other
// packages report events to it and never see a Prometheus type. It has no state
// beyond the numbers, decides nothing, and has no global registry, so one
// process can have two of them.
//
// Labels are closed sets (state, cause, outcome, code, route, method). A
// session's id is a label only when Options.PerSession asks for it.
package metrics

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "wasup"

// maxScrapes limits concurrent scrapes: slow scrapes must not pile up.
const maxScrapes = 8

// Options is what New needs to know. The zero value is usable.
type Options struct {
	// Registry takes the collectors; nil makes a new one. Registering twice in
	// one registry panics, as it does throughout client_golang.
	Registry   *prometheus.Registry
	Version    string       // of wasup, for wasup_build_info
	PerSession bool         // adds wasup_session_state with a session label
	Log        *slog.Logger // told when a scrape fails; nil is silent
}

// Sources are read at each scrape, so that a gauge cannot drift from the value
// that it shows. A nil function reads as 0. The functions must not block.
type Sources struct {
	MailboxInFlight func() int // messages posted to session actors and not yet handled
	QRWaiters       func() int // requests that wait for a QR
	Connections     func() Connections
	Pools           func() []Pool
	Commits         func() Commits
	Store           func() Store
	Backlog         func() Backlog
	LiveReaders     func() int // open subscriptions to live events
	EventsKept      func() int // in the durable log
	StanzasWaiting  func() int // received from WhatsApp and not yet handled
	Webhooks        func() Webhooks
	KeptMedia       func() KeptMedia
	ClientVersion   func() string // that WhatsApp is shown; nil or "" has no series
}

// Metrics takes what other packages report. Its methods are safe for concurrent use and
// do not block.
type Metrics struct {
	registry *prometheus.Registry
	log      *slog.Logger
	sessions *sessions
	sources  atomic.Pointer[Sources]
	webhooks *webhookSeries
	logged   logged
	kept     *kept

	transitions  *prometheus.CounterVec
	stateTime    *prometheus.HistogramVec
	reconnects   *prometheus.CounterVec
	connect      prometheus.Histogram
	codeTime     prometheus.Histogram
	restarts     *prometheus.CounterVec
	qrRequests   *prometheus.CounterVec
	qrWait       prometheus.Histogram
	sends        *prometheus.CounterVec
	sendAck      prometheus.Histogram
	verbs        *prometheus.CounterVec
	verbTime     *prometheus.HistogramVec
	messages     *prometheus.CounterVec
	accepted     prometheus.Histogram
	retries      *prometheus.CounterVec
	httpRequests *prometheus.CounterVec
	httpDuration *prometheus.HistogramVec
	deadLetters  prometheus.Counter
	restore      *prometheus.GaugeVec
}

// waitBuckets range from a code that was there already to the longest wait.
func waitBuckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}
}

// stayBuckets range from a state that lasts a moment to a session that stays linked for a month.
func stayBuckets() []float64 {
	return []float64{.01, .1, 1, 5, 30, 60, 300, 1800, 3600, 21600, 86400, 604800, 2592000}
}

// New registers every collector. It panics only when the same registry is
// given twice.
func New(o Options) *Metrics {
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	m := &Metrics{
		registry: o.Registry, log: o.Log, sessions: newSessions(o.PerSession),
		transitions: counters("session_transitions_total", "Changes of a session's state or cause, by the new state and cause.", "to", "cause"),
		stateTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "session_state_seconds", Buckets: stayBuckets(),
			Help: "Time that sessions spent in a state before they left it, by state.",
		}, []string{"state"}),
		reconnects: counters("session_reconnects_total", "Attempts to connect again after a lost connection, by the cause of the loss.", "cause"),
		connect:    histogram("session_connect_seconds", "Time from the start of an attempt to connect to READY."),
		codeTime:   histogram("session_code_seconds", "Time from the start of an attempt to connect to the first QR."),
		restarts:   counters("session_restarts_total", "Crashes of sessions, each followed by a restart or by quarantine, by cause.", "cause"),
		qrRequests: counters("qr_requests_total", "Requests for a QR, by outcome.", "outcome"),
		qrWait:     histogram("qr_wait_seconds", "Time from a request for a QR to its answer, for requests answered with a QR."),
		sends:      counters("sends_total", "Attempts to send a message, by outcome: server_ack, or the code of the error.", "outcome"),
		sendAck:    histogram("send_ack_seconds", "Time from sending a message to the acknowledgement of WhatsApp's server."),
		verbs:      counters("verbs_total", "Requests to the clients of sessions, by verb (such as send or MarkRead) and outcome: done, or the code of the error.", "verb", "outcome"),
		verbTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "verb_seconds", Buckets: waitBuckets(),
			Help: "Time that a successful request to a client took, by verb.",
		}, []string{"verb"}),
		messages:     counters("messages_total", "Outgoing messages that reached a state, by state, and for failed ones by the code of the error.", "state", "cause"),
		accepted:     histogram("message_ack_seconds", "Time from the acceptance of a message, or from its send_at, to WhatsApp's acknowledgement."),
		retries:      counters("message_retries_total", "Attempts to send a message that ended without an outcome and are repeated, by the code of the error.", "cause"),
		httpRequests: counters("http_requests_total", "HTTP requests answered, by route template, method and status code.", "route", "method", "code"),
		httpDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "http_request_duration_seconds", Buckets: waitBuckets(),
			Help: "Time from reading an HTTP request to its answer, by route template.",
		}, []string{"route"}),
		deadLetters: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "dead_letters_total", Help: "Internal messages to session actors that no longer exist. This is not about webhooks.",
		}),
		restore: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "restore_sessions",
			Help: "Sessions to bring back after the start of the process: wanted counts all of them, ready those that are READY.",
		}, []string{"phase"}),
	}
	m.sources.Store(&Sources{})
	m.webhooks = newWebhooks(m)
	m.kept = newKept(m)
	m.logged = newLogged()
	m.register(o.Version)
	m.logged.register(m)
	m.startAtZero()
	return m
}

func (m *Metrics) register(version string) {
	if version == "" {
		version = "unknown"
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1. The labels name the running build.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.sessions, m.transitions, m.stateTime, m.reconnects, m.connect, m.codeTime, m.restarts, m.qrRequests, m.qrWait, m.sends, m.sendAck, m.verbs, m.verbTime,
		m.messages, m.accepted, m.retries,
		m.httpRequests, m.httpDuration, m.deadLetters, m.restore, build,
		m.sampled("mailbox_in_flight", "Messages posted to session actors and not yet handled.",
			func(s *Sources) func() int { return s.MailboxInFlight }),
		m.sampled("qr_waiters", "Requests that wait for a QR now.",
			func(s *Sources) func() int { return s.QRWaiters }),
		newConnections(m),
		newPools(m),
		newCommits(m),
		newStoreCondition(m),
		m.webhooks,
		m.kept,
		newBacklog(m),
		m.sampled("live_readers", "Open subscriptions to the live events of sessions.",
			func(s *Sources) func() int { return s.LiveReaders }),
		newClientVersion(m.sources.Load),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

// Watch names the functions that are read at each scrape. It may be called
// again; the last call counts.
func (m *Metrics) Watch(s Sources) { m.sources.Store(&s) }

func (m *Metrics) sampled(name, help string, pick func(*Sources) func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, func() float64 {
		if read := pick(m.sources.Load()); read != nil {
			return float64(read())
		}
		return 0
	})
}

// Handler serves the metrics, in Prometheus' text format, or in OpenMetrics if
// the scraper asks for it. If a collector fails, the others stay readable. The
// error goes to the log and not into the answer.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            scrapeLog{m.log},
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}

// scrapeLog turns promhttp's logger into a record of slog.
type scrapeLog struct{ log *slog.Logger }

func (l scrapeLog) Println(v ...any) {
	if l.log != nil {
		l.log.Error("metrics could not be gathered", "op", "scrape", "err", fmt.Sprint(v...))
	}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: waitBuckets(),
	})
}
