package metrics

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everything has at least one series of every metric.
func everything() *Metrics {
	m := New(Options{Version: "v0.0.0", PerSession: true})
	m.SessionChanged("51", session.DisconnectedRecoverable, session.CauseSocketLost)
	m.SessionChanged("51", session.Reconnecting, session.CauseSocketLost)
	m.SessionChanged("51", session.Ready, session.CauseConnected)
	m.SessionRestarted(session.CauseCrashed)
	m.QRRequest(session.OutcomeQR, time.Second)
	m.VerbDone(message.VerbSend, "", time.Second)
	m.HTTPRequest("/qr-code", http.MethodGet, 200, time.Second)
	m.DeadLetter()
	m.RestoreAdvanced(3, 1)
	m.WebhookAttempted(webhooks.Delivered, time.Second)
	m.WebhookDelivered(time.Second)
	m.WebhookDeadLettered()
	m.MediaKept(time.Second)
	m.MediaNotKept(session.CodeMediaGone)
	m.Watch(Sources{
		Webhooks:      func() Webhooks { return Webhooks{Backlog: 1} },
		Commits:       func() Commits { return Commits{Works: 9, Transactions: 4} },
		Store:         func() Store { return Store{Free: 1, FreeKnown: true} },
		Connections:   func() Connections { return Connections{Max: 256} },
		Pools:         func() []Pool { return []Pool{{Name: "writer", Max: 1}} },
		ClientVersion: func() string { return "2.3000.1" },
	})
	return m
}

func expect(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestTheClientVersionIsTheOneOfTheMoment(t *testing.T) {
	m := New(Options{})
	expect(t, m, "", "wasup_client_version_info")
	version := "2.3000.1"
	m.Watch(Sources{ClientVersion: func() string { return version }})
	for _, version = range []string{"2.3000.1", "2.3000.2"} {
		expect(t, m, `# HELP wasup_client_version_info Always 1. The label is the client version that wasup shows to WhatsApp. wasup changes it when WhatsApp refuses the previous one.
# TYPE wasup_client_version_info gauge
wasup_client_version_info{version="`+version+`"} 1
`, "wasup_client_version_info")
	}
}

func TestTheConditionOfTheDatabaseIsTheOneOfTheMoment(t *testing.T) {
	m := New(Options{})
	var now Store
	m.Watch(Sources{Store: func() Store { return now }})
	for _, step := range []struct {
		now  Store
		want string
	}{
		{Store{}, "wasup_store_failing 0\n"},
		{Store{Failing: true, Free: 4096, FreeKnown: true}, "wasup_store_failing 1\nwasup_store_free_bytes 4096\n"},
	} {
		now = step.now
		rec := httptest.NewRecorder()
		m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		got := ""
		for line := range strings.Lines(rec.Body.String()) {
			if strings.HasPrefix(line, "wasup_store_f") {
				got += line
			}
		}
		if got != step.want {
			t.Errorf("%+v has the series\n%s", step.now, got)
		}
	}
}

func TestPrometheusOwnLinterHasNothingToSay(t *testing.T) {
	m := everything()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatal(rec.Code)
	}
	// Only our own names: the process and Go collectors are not ours to rename.
	var ours bytes.Buffer
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "wasup_") || strings.Contains(line, " wasup_") {
			ours.WriteString(line)
		}
	}
	problems, err := promlint.New(&ours).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestEveryMetricHasHelpAndIsInTheDocument(t *testing.T) {
	m := everything()
	var document bytes.Buffer
	if err := m.WriteDocument(&document); err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 512)
	m.registry.Describe(descriptions)
	close(descriptions)
	ours := 0
	for d := range descriptions {
		text := d.String()
		_, rest, found := strings.Cut(text, `fqName: "wasup_`)
		if !found {
			continue
		}
		ours++
		name, _, _ := strings.Cut(rest, `"`)
		if strings.Contains(text, `help: ""`) {
			t.Errorf("%s has no help", name)
		}
		if !strings.Contains(document.String(), "| `wasup_"+name+"` |") {
			t.Errorf("wasup_%s is not in the document; give it a series in everything()", name)
		}
	}
	if rows := strings.Count(document.String(), "\n| `wasup_"); rows != ours || ours == 0 {
		t.Errorf("%d rows for %d metrics", rows, ours)
	}
}

func TestTheDocumentIsWhatTheRegistryHolds(t *testing.T) {
	path := filepath.Join("..", "docs", "metrics.md")
	var want bytes.Buffer
	if err := everything().WriteDocument(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatal("docs/metrics.md is not what the registry holds; run go generate ./metrics")
	}
}

func TestTimesAndReconnectsAreTakenFromASessionsJourney(t *testing.T) {
	m := New(Options{})
	clock := time.Unix(0, 0)
	m.sessions.now = func() time.Time { return clock }
	for _, step := range []struct {
		after time.Duration
		state session.State
		cause session.Cause
	}{
		{0, session.NotInitialized, session.CauseNone},
		{time.Hour, session.Initializing, session.CauseStarting},
		{2 * time.Second, session.QRRequired, session.CausePairing},
		{30 * time.Second, session.Reconnecting, session.CausePairing},
		{4 * time.Second, session.Ready, session.CauseConnected},
		{24 * time.Hour, session.DisconnectedRecoverable, session.CauseKeepAliveStale},
		{time.Second, session.Reconnecting, session.CauseKeepAliveStale},
		{time.Second, session.DisconnectedRecoverable, session.CauseConnectRefused},
		{2 * time.Second, session.Reconnecting, session.CauseConnectRefused},
		{3 * time.Second, session.Ready, session.CauseConnected},
	} {
		clock = clock.Add(step.after)
		m.SessionChanged("51", step.state, step.cause)
	}
	expect(t, m, `
# HELP wasup_session_reconnects_total Attempts to connect again after a lost connection, by the cause of the loss.
# TYPE wasup_session_reconnects_total counter
wasup_session_reconnects_total{cause="connect_refused"} 1
wasup_session_reconnects_total{cause="keepalive_stale"} 1
`, "wasup_session_reconnects_total")
	for name, want := range map[string]struct {
		count uint64
		sum   float64
	}{
		"wasup_session_code_seconds":    {1, 2},
		"wasup_session_connect_seconds": {2, 4 + 3},
		"wasup_session_state_seconds":   {9, 3600 + 2 + 30 + 4 + 86400 + 1 + 1 + 2 + 3},
	} {
		count, sum := totals(t, m, name)
		if count != want.count || sum != want.sum {
			t.Errorf("%s: %d with the sum %v, want %d and %v", name, count, sum, want.count, want.sum)
		}
	}
}

// totals adds the series of a histogram.
func totals(t *testing.T, m *Metrics, name string) (count uint64, sum float64) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			count += metric.GetHistogram().GetSampleCount()
			sum += metric.GetHistogram().GetSampleSum()
		}
	}
	return count, sum
}

func TestSessionsAreCountedByTheStateTheyAreInNow(t *testing.T) {
	m := New(Options{})
	m.SessionChanged("1", session.Initializing, session.CauseStarting)
	m.SessionChanged("1", session.Ready, session.CauseConnected)
	m.SessionChanged("1", session.Ready, session.CauseConnected)
	m.SessionChanged("2", session.Errored, session.CauseQuarantined)
	m.SessionChanged("3", session.Errored, session.CauseClientOutdated)
	m.SessionChanged("4", session.Ready, session.CauseConnected)
	m.SessionRemoved("4")
	m.SessionRemoved("never seen")
	expect(t, m, `
# HELP wasup_client_outdated 1 while WhatsApp refuses this version of the client library (405). This concerns every session of the process.
# TYPE wasup_client_outdated gauge
wasup_client_outdated 1
# HELP wasup_session_transitions_total Changes of a session's state or cause, by the new state and cause.
# TYPE wasup_session_transitions_total counter
wasup_session_transitions_total{cause="client_outdated",to="ERROR"} 1
wasup_session_transitions_total{cause="connected",to="READY"} 2
wasup_session_transitions_total{cause="quarantined",to="ERROR"} 1
wasup_session_transitions_total{cause="starting",to="INITIALIZING"} 1
# HELP wasup_sessions Sessions held by this process, by state.
# TYPE wasup_sessions gauge
wasup_sessions{state="AUTH_FAILURE"} 0
wasup_sessions{state="DISCONNECTED_BANNED"} 0
wasup_sessions{state="DISCONNECTED_LOGOUT"} 0
wasup_sessions{state="DISCONNECTED_RECOVERABLE"} 0
wasup_sessions{state="ERROR"} 2
wasup_sessions{state="INITIALIZING"} 0
wasup_sessions{state="NOT_INITIALIZED"} 0
wasup_sessions{state="QR_REQUIRED"} 0
wasup_sessions{state="READY"} 1
wasup_sessions{state="RECONNECTING"} 0
# HELP wasup_sessions_quarantined Sessions in quarantine: they crashed too often and wait for a person or the cool-down.
# TYPE wasup_sessions_quarantined gauge
wasup_sessions_quarantined 1
`, "wasup_sessions", "wasup_sessions_quarantined", "wasup_client_outdated", "wasup_session_transitions_total", "wasup_session_state")
}

func TestASessionIsALabelOnlyWhenAskedFor(t *testing.T) {
	m := New(Options{PerSession: true})
	m.SessionChanged("51", session.QRRequired, session.CausePairing)
	m.SessionChanged("52", session.Ready, session.CauseConnected)
	m.SessionRemoved("52")
	expect(t, m, `
# HELP wasup_session_state Always 1. The labels are the present state and cause of each session. Only with metrics.per_session.
# TYPE wasup_session_state gauge
wasup_session_state{cause="pairing",session="51",state="QR_REQUIRED"} 1
`, "wasup_session_state")
}

func TestOnlyAQRIsTimed(t *testing.T) {
	m := New(Options{})
	m.QRRequest(session.OutcomeQR, 30*time.Millisecond)
	m.QRRequest(session.OutcomeTimeout, 30*time.Second)
	expect(t, m, `
# HELP wasup_qr_requests_total Requests for a QR, by outcome.
# TYPE wasup_qr_requests_total counter
wasup_qr_requests_total{outcome="error"} 0
wasup_qr_requests_total{outcome="failed"} 0
wasup_qr_requests_total{outcome="qr"} 1
wasup_qr_requests_total{outcome="ready"} 0
wasup_qr_requests_total{outcome="shutting_down"} 0
wasup_qr_requests_total{outcome="stopped"} 0
wasup_qr_requests_total{outcome="timeout"} 1
wasup_qr_requests_total{outcome="too_many"} 0
# HELP wasup_qr_wait_seconds Time from a request for a QR to its answer, for requests answered with a QR.
# TYPE wasup_qr_wait_seconds histogram
wasup_qr_wait_seconds_bucket{le="0.001"} 0
wasup_qr_wait_seconds_bucket{le="0.0025"} 0
wasup_qr_wait_seconds_bucket{le="0.005"} 0
wasup_qr_wait_seconds_bucket{le="0.01"} 0
wasup_qr_wait_seconds_bucket{le="0.025"} 0
wasup_qr_wait_seconds_bucket{le="0.05"} 1
wasup_qr_wait_seconds_bucket{le="0.1"} 1
wasup_qr_wait_seconds_bucket{le="0.25"} 1
wasup_qr_wait_seconds_bucket{le="0.5"} 1
wasup_qr_wait_seconds_bucket{le="1"} 1
wasup_qr_wait_seconds_bucket{le="2.5"} 1
wasup_qr_wait_seconds_bucket{le="5"} 1
wasup_qr_wait_seconds_bucket{le="10"} 1
wasup_qr_wait_seconds_bucket{le="20"} 1
wasup_qr_wait_seconds_bucket{le="30"} 1
wasup_qr_wait_seconds_bucket{le="60"} 1
wasup_qr_wait_seconds_bucket{le="+Inf"} 1
wasup_qr_wait_seconds_sum 0.03
wasup_qr_wait_seconds_count 1
`, "wasup_qr_requests_total", "wasup_qr_wait_seconds")
}

func TestSendsAreCountedByOutcome(t *testing.T) {
	m := New(Options{})
	if n := testutil.CollectAndCount(m.sends); n != len(session.Codes())+1 {
		t.Errorf("%d series before the first send; every outcome must start at 0", n)
	}
	m.VerbDone(message.VerbSend, "", time.Second)
	m.VerbDone(message.VerbSend, "", 3*time.Second)
	m.VerbDone(message.VerbSend, session.CodeRestricted, time.Second)
	m.VerbDone(message.VerbSend, "made up", time.Second)
	for outcome, want := range map[string]float64{"server_ack": 2, "restricted": 1, "other": 1, "ack_overdue": 0} {
		if got := testutil.ToFloat64(m.sends.WithLabelValues(outcome)); got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "wasup_send_ack_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			if h.GetSampleCount() != 2 || h.GetSampleSum() != 4 {
				t.Errorf("acks %d, seconds %v; failures have no ack", h.GetSampleCount(), h.GetSampleSum())
			}
			return
		}
	}
	t.Error("wasup_send_ack_seconds is missing")
}

func TestEveryVerbIsCountedByItsName(t *testing.T) {
	m := New(Options{})
	for _, verb := range []string{session.PairPhone.Name, message.Send.Name, message.FetchMedia.Name} {
		m.VerbDone(verb, "", time.Second)
		if got := testutil.ToFloat64(m.verbs.WithLabelValues(verb, "done")); got != 1 {
			t.Errorf("%s: %v, want 1", verb, got)
		}
	}
	m.VerbDone("made up", "", time.Second)
	if got := testutil.ToFloat64(m.verbs.WithLabelValues("other", "done")); got != 1 {
		t.Errorf("a verb that is not known: %v, want 1", got)
	}
}

func TestHTTPRequestsAreCountedByTemplate(t *testing.T) {
	m := New(Options{})
	m.HTTPRequest("/status", "GET", 200, time.Millisecond)
	m.HTTPRequest("/status", "GET", 200, time.Millisecond)
	m.HTTPRequest("", "GET", 404, time.Millisecond)
	m.HTTPRequest("/status", "BREW", 405, time.Millisecond)
	m.HTTPRequest("/status", "GET", 4711, time.Millisecond)
	expect(t, m, `
# HELP wasup_http_requests_total HTTP requests answered, by route template, method and status code.
# TYPE wasup_http_requests_total counter
wasup_http_requests_total{code="200",method="GET",route="/status"} 2
wasup_http_requests_total{code="404",method="GET",route="unmatched"} 1
wasup_http_requests_total{code="405",method="other",route="/status"} 1
wasup_http_requests_total{code="other",method="GET",route="/status"} 1
`, "wasup_http_requests_total")
	if n := testutil.CollectAndCount(m.httpDuration); n != 2 {
		t.Errorf("%d durations, want one a route", n)
	}
}

func TestTheRestShowsWhatItIsTold(t *testing.T) {
	m := New(Options{})
	m.DeadLetter()
	m.SessionRestarted(session.CauseCrashed)
	m.SessionRestarted("made up")
	m.RestoreAdvanced(10, 4)
	const zero, seven = `
# HELP wasup_live_readers Open subscriptions to the live events of sessions.
# TYPE wasup_live_readers gauge
wasup_live_readers 0
# HELP wasup_mailbox_in_flight Messages posted to session actors and not yet handled.
# TYPE wasup_mailbox_in_flight gauge
wasup_mailbox_in_flight 0
# HELP wasup_qr_waiters Requests that wait for a QR now.
# TYPE wasup_qr_waiters gauge
wasup_qr_waiters 0
`, `
# HELP wasup_live_readers Open subscriptions to the live events of sessions.
# TYPE wasup_live_readers gauge
wasup_live_readers 5
# HELP wasup_mailbox_in_flight Messages posted to session actors and not yet handled.
# TYPE wasup_mailbox_in_flight gauge
wasup_mailbox_in_flight 7
# HELP wasup_qr_waiters Requests that wait for a QR now.
# TYPE wasup_qr_waiters gauge
wasup_qr_waiters 3
`
	expect(t, m, zero, "wasup_live_readers", "wasup_mailbox_in_flight", "wasup_qr_waiters")
	m.Watch(Sources{MailboxInFlight: func() int { return 7 }, QRWaiters: func() int { return 3 }, LiveReaders: func() int { return 5 }})
	expect(t, m, seven, "wasup_live_readers", "wasup_mailbox_in_flight", "wasup_qr_waiters")
	expect(t, m, `
# HELP wasup_dead_letters_total Internal messages to session actors that no longer exist. This is not about webhooks.
# TYPE wasup_dead_letters_total counter
wasup_dead_letters_total 1
# HELP wasup_restore_sessions Sessions to bring back after the start of the process: wanted counts all of them, ready those that are READY.
# TYPE wasup_restore_sessions gauge
wasup_restore_sessions{phase="ready"} 4
wasup_restore_sessions{phase="wanted"} 10
# HELP wasup_session_restarts_total Crashes of sessions, each followed by a restart or by quarantine, by cause.
# TYPE wasup_session_restarts_total counter
wasup_session_restarts_total{cause="crashed"} 1
wasup_session_restarts_total{cause="other"} 1
`, "wasup_dead_letters_total", "wasup_session_restarts_total", "wasup_restore_sessions")
}

func TestKeptFilesAreCountedAndMeasured(t *testing.T) {
	m := New(Options{})
	m.MediaNotKept(session.CodeFetchFailed)
	m.MediaNotKept("nonsense")
	m.Watch(Sources{KeptMedia: func() KeptMedia { return KeptMedia{Files: 2, Bytes: 5e9, Waiting: 3, Paused: true} }})
	expect(t, m, `
# HELP wasup_kept_media_bytes Size of the files of incoming messages kept on disk.
# TYPE wasup_kept_media_bytes gauge
wasup_kept_media_bytes 5e+09
# HELP wasup_kept_media_files Files of incoming messages kept on disk.
# TYPE wasup_kept_media_files gauge
wasup_kept_media_files 2
# HELP wasup_kept_media_paused 1 while no files are fetched because the disk or the database refused one, else 0.
# TYPE wasup_kept_media_paused gauge
wasup_kept_media_paused 1
# HELP wasup_kept_media_waiting Files of incoming messages still to be fetched. The value is at most a minute old.
# TYPE wasup_kept_media_waiting gauge
wasup_kept_media_waiting 3
`, "wasup_kept_media_bytes", "wasup_kept_media_files", "wasup_kept_media_paused", "wasup_kept_media_waiting")
	for cause, want := range map[string]float64{"fetch_failed": 1, "other": 1, "media_gone": 0} {
		if got := testutil.ToFloat64(m.kept.missed.WithLabelValues(cause)); got != want {
			t.Errorf("%s: %v, want %v", cause, got, want)
		}
	}
}

func TestTheHandlerShowsBuildGoAndProcess(t *testing.T) {
	server := httptest.NewServer(New(Options{Version: `v1.2.3`}).Handler())
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`wasup_build_info{goversion="go1.`, `version="v1.2.3"} 1`, "\ngo_goroutines ", "\nprocess_cpu_seconds_total "} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%q is missing", want)
		}
	}
}

type failing struct{}

func (failing) Describe(ch chan<- *prometheus.Desc) {
	ch <- prometheus.NewDesc("broken", "b", nil, nil)
}

func (failing) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "b", nil, nil), errors.New("secret cause"))
}

func TestAFailingCollectorIsLoggedAndTheOthersAreServed(t *testing.T) {
	registry, log := prometheus.NewRegistry(), &bytes.Buffer{}
	registry.MustRegister(failing{})
	m := New(Options{Registry: registry, Log: slog.New(slog.NewTextHandler(log, nil))})
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "wasup_sessions{") {
		t.Errorf("status %d", rec.Code)
	}
	if strings.Contains(rec.Body.String(), "secret cause") || !strings.Contains(log.String(), "secret cause") {
		t.Errorf("the cause belongs into the log only: %s", log)
	}
}

func TestTheGaugesAgreeWithTheSessionsAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := New(Options{})
		model := map[session.ID]session.State{}
		for range rapid.IntRange(0, 60).Draw(rt, "events") {
			id := session.ID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"))
			if rapid.IntRange(0, 5).Draw(rt, "kind") == 0 {
				m.SessionRemoved(id)
				delete(model, id)
				continue
			}
			state := rapid.SampledFrom(session.States()).Draw(rt, "state")
			m.SessionChanged(id, state, rapid.SampledFrom(session.Causes()).Draw(rt, "cause"))
			model[id] = state
		}
		want := map[string]float64{}
		for _, state := range model {
			want[string(state)]++
		}
		families, err := m.registry.Gather()
		if err != nil {
			rt.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "wasup_sessions" {
				continue
			}
			for _, series := range f.GetMetric() {
				if state := series.GetLabel()[0].GetValue(); series.GetGauge().GetValue() != want[state] {
					rt.Fatalf("%s: %v, want %v", state, series.GetGauge().GetValue(), want[state])
				}
			}
		}
	})
}

func TestEverythingMayBeToldFromManyGoroutinesDuringScrapes(t *testing.T) {
	m := New(Options{PerSession: true})
	var wg sync.WaitGroup
	for _, id := range []session.ID{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 50 {
				m.SessionChanged(id, session.Ready, session.CauseConnected)
				m.QRRequest(session.OutcomeQR, time.Millisecond)
				m.Watch(Sources{QRWaiters: func() int { return 1 }})
				m.SessionRemoved(id)
			}
		})
	}
	for range 20 {
		rec := httptest.NewRecorder()
		m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if rec.Code != http.StatusOK {
			t.Errorf("status %d: %s", rec.Code, rec.Body)
		}
	}
	wg.Wait()
	if got := testutil.ToFloat64(m.qrRequests.WithLabelValues("qr")); got != 200 {
		t.Errorf("%v answers, want 200", got)
	}
}
