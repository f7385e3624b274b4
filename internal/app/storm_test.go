package app

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/app/apptest"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/session"
	"wasup/supervisor"
)

// fewStormy is the number of sessions in the short form of the storms. The benchmarks have a thousand.
const fewStormy = 20

// wrecker cuts the connection of each session as soon as it is READY, while it is on.
type wrecker struct {
	server *sandbox.Server
	mu     sync.Mutex
	on     bool
	phones map[session.ID]string
}

var _ supervisor.Follower = (*wrecker)(nil)

func (w *wrecker) SessionChanged(id session.ID, state session.State, _ session.Cause) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on && state == session.Ready {
		w.server.DropTCP(faults.Select{Account: w.phones[id]})
	}
}

func (w *wrecker) SessionRemoved(session.ID) {}

func (w *wrecker) turn(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = on
}

// loud matches a line of the log that operators see by default.
var loud = regexp.MustCompile(`(?m)^.*level=(INFO|WARN|ERROR).*$`)

// lines returns how many lines the app's log has that operators see by default.
func (h *house) lines() int { return len(loud.FindAllString(h.log.String(), -1)) }

// all reports whether every session of a fleet is in a state.
func (h *house) all(size int, holds func(session.Status) bool) bool {
	for client := int64(1); client <= int64(size); client++ {
		if !holds(h.status(client)) {
			return false
		}
	}
	return true
}

func ready(s session.Status) bool { return s.State == session.Ready }

func TestAServerThatDropsRightAfterEachLoginIsLeftAloneMoreAndMore(t *testing.T) {
	f := &fleet{size: fewStormy}
	t.Cleanup(f.close)
	dropAfterEachLogin(t, f.use(t))
}

// BenchmarkThousandDroppedAfterLogin is the long form. It prints how many logins and lines of the log six drops in a row
// cost each session.
func BenchmarkThousandDroppedAfterLogin(b *testing.B) {
	f := theThousand.use(b)
	for b.Loop() {
		logins, lines := dropAfterEachLogin(b, f)
		b.ReportMetric(logins, "logins/session")
		b.ReportMetric(lines, "lines/session")
	}
}

func dropAfterEachLogin(t testing.TB, f *fleet) (logins, lines float64) {
	t.Helper()
	const drops = 6
	w := &wrecker{server: f.server, phones: make(map[session.ID]string)}
	for i, phone := range f.phones {
		w.phones[session.NumericID(int64(i+1))] = phone.Number()
	}
	cfg := f.config()
	cfg.Session.BackoffMin, cfg.Session.BackoffMax = 50*time.Millisecond, time.Hour
	h := open(t, f.server, cfg, seams{followers: []supervisor.Follower{w}})
	apptest.Until(t, "all are READY", func() bool { return h.all(f.size, ready) })
	began, loudBefore := f.server.Counters().Logins, h.lines()
	w.turn(true)
	f.server.DropTCP(faults.Select{})
	apptest.Until(t, "the failures grow although each login succeeds", func() bool {
		return h.all(f.size, func(s session.Status) bool { return s.Failures >= drops })
	})
	w.turn(false)
	logins, lines = float64(f.server.Counters().Logins-began)/float64(f.size), float64(h.lines()-loudBefore)/float64(f.size)
	// A session logs in once between two failures. While the last session comes to its sixth, others come to their eighth.
	if logins > drops+2 {
		t.Errorf("%.1f logins a session for %d drops", logins, drops)
	}
	if lines > 20 {
		t.Errorf("%.1f lines a session", lines)
	}
	h.close()
	return logins, lines
}

// probe waits until the probes tell a database that takes no writes, or none such.
func (h *house) probe(status int) {
	h.t.Helper()
	apptest.Until(h.t, "the probes say "+http.StatusText(status), func() bool {
		return h.Get("/health", 0).Status == status && h.Get("/readyz", 0).Status == status
	})
}

// failing returns the value of the metric wasup_store_failing.
func (h *house) failing() string {
	_, after, _ := strings.Cut(string(h.Get("/metrics", 0).Is(200).Body), "\nwasup_store_failing ")
	value, _, _ := strings.Cut(after, "\n")
	return value
}
