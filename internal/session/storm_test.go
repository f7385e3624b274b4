package session_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/session"
)

// The most connections that one session may open in any ten minutes and in any minute, whatever happens to it.
const (
	mostInTenMinutes = 70
	mostInAMinute    = 12
)

// byPeople are the inputs of people, each of which may open one connection: a phone that scans a code is one of them. So
// is Released, which comes from the circuit breaker.
var byPeople = map[session.InputKind]bool{
	session.Started: true, session.Restarted: true, session.Stopped: true, session.LogoutDue: true, session.Paired: true,
	session.Released: true,
}

// stormInputs are the inputs that come by themselves. A program that asks for codes in a loop is one of the sources,
// except after ClientOutdated: there the circuit breaker decides which session connects.
func stormInputs(asked bool) []session.InputKind {
	var kinds []session.InputKind
	for _, kind := range session.Inputs() {
		switch {
		case byPeople[kind], kind == session.CodesExhausted: // the machine makes the latter itself
		case kind == session.QRAsked && !asked, kind == session.ClientOutdated && asked:
		default:
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func TestNothingButPeopleMakesASessionConnectInALoop(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := session.DefaultPolicy()
		policy.MaxAttempts = rapid.SampledFrom([]int{0, 0, 3}).Draw(rt, "max attempts")
		record := session.Record{ID: "x", Desired: session.DesiredRun}
		if rapid.Bool().Draw(rt, "linked") {
			record.DeviceJID = "1:2@s.whatsapp.net"
		}
		now := time.Unix(1_800_000_000, 0)
		m := session.New(&policy, rapid.Uint64().Draw(rt, "seed"), record, now)
		// A server mostly repeats itself, so each run of the test draws a few inputs and how long it is quiet between them.
		script := rapid.SliceOfN(drawStorm(stormInputs(rapid.Bool().Draw(rt, "asked"))), 1, 4).Draw(rt, "script")
		var opened []time.Time
		step := func(in session.Input) {
			var effects []session.Effect
			m, effects = m.Step(now, in)
			for _, effect := range effects {
				if effect.Kind == session.OpenSocket {
					opened = append(opened, now)
				}
			}
		}
		step(session.Input{Kind: session.Restored})
		step(session.Input{Kind: session.QRAsked})
		for n := range 2000 {
			next := script[n%len(script)]
			due := now.Add(next.quiet)
			for timer := m.Timer(); timer.Kind != "" && !timer.At.After(due); timer = m.Timer() {
				now = later(now, timer.At)
				step(session.Input{Kind: timer.Kind})
			}
			now = due
			step(next.input(m, now))
		}
		checkRate(rt, opened, time.Minute, mostInAMinute)
		checkRate(rt, opened, 10*time.Minute, mostInTenMinutes)
	})
}

// storm is an input that comes again and again, each time after a quiet time.
type storm struct {
	kind  session.InputKind
	quiet time.Duration
	codes int
	code  int
	until time.Duration
}

func drawStorm(kinds []session.InputKind) *rapid.Generator[storm] {
	return rapid.Custom(func(rt *rapid.T) storm {
		return storm{
			kind:  rapid.SampledFrom(kinds).Draw(rt, "kind"),
			quiet: time.Duration(rapid.SampledFrom([]int{0, 10, 500, 5000, 61_000}).Draw(rt, "quiet in ms")) * time.Millisecond,
			codes: rapid.IntRange(0, 3).Draw(rt, "codes"), code: rapid.SampledFrom([]int{0, 429, 503}).Draw(rt, "code"),
			until: time.Duration(rapid.IntRange(-1, 5).Draw(rt, "until")) * time.Second,
		}
	})
}

func (s storm) input(m session.Machine, now time.Time) session.Input {
	live, _ := m.Incarnation()
	codes := make([]string, s.codes)
	for i := range codes {
		codes[i] = "code"
	}
	return session.Input{Kind: s.kind, Incarnation: live, Codes: codes, Code: s.code, Until: now.Add(s.until)}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// checkRate fails if any window of this length has more than the most that are allowed.
func checkRate(rt *rapid.T, times []time.Time, window time.Duration, most int) {
	for i := range times {
		if last := i + most; last < len(times) && times[last].Sub(times[i]) < window {
			rt.Fatalf("%d connections in %s", most+1, times[last].Sub(times[i]))
		}
	}
}

// pauses lets a session of a linked device log in and then ends the connection, several times, and returns how long it
// waited before each next attempt.
func pauses(t *testing.T, in session.Input, times int) (waits []time.Duration) {
	t.Helper()
	w := begin(t, paired(), nil)
	w.restored()
	for range times {
		w.kind(session.SocketUp).after(time.Second).on(in)
		before := w.now
		if _, live := w.m.Incarnation(); !live {
			w.timer(session.RetryDue)
		}
		waits = append(waits, w.now.Sub(before))
	}
	return waits
}

func TestAConnectionThatEndsRightAfterEachLoginBacksOff(t *testing.T) {
	for _, in := range []session.Input{
		{Kind: session.SocketLost},
		{Kind: session.KeepAliveStale},
		{Kind: session.AckOverdue},
		{Kind: session.Crashed},
		{Kind: session.ConnectRefused, Code: 503},
		{Kind: session.ProxyFailed},
		{Kind: session.StoreFailed},
		{Kind: session.TempBanned},
	} {
		policy := session.DefaultPolicy()
		for i, wait := range pauses(t, in, 12) {
			if want := policy.Backoff(i+1, 7); wait < want {
				t.Errorf("%s: pause %d is %s, want at least %s", in.Kind, i+1, wait, want)
			}
		}
	}
}

func TestAServerThatAsksForNewLoginsWithoutEndIsObeyedOnceAndThenBacksOff(t *testing.T) {
	policy := session.DefaultPolicy()
	for i, wait := range pauses(t, session.Input{Kind: session.LoginReconnect}, 12) {
		if want := policy.Backoff(i, 7); wait != want {
			t.Errorf("pause %d is %s, want %s", i+1, wait, want)
		}
	}
}

func TestTheReconnectOfLinkingDoesNotCount(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, nil)
	w.kind(session.QRAsked).on(codes("a")).kind(session.Paired)
	w.kind(session.LoginReconnect).kind(session.SocketUp).is(session.Ready, session.CauseConnected)
	w.kind(session.LoginReconnect).is(session.Reconnecting, session.CauseLoginReconnect, session.CloseSocket, session.OpenSocket)
	w.kind(session.SocketUp).kind(session.LoginReconnect).is(session.DisconnectedRecoverable, session.CauseSocketLost, session.CloseSocket)
}

func TestFailuresAreForgottenWhenReadyHasLasted(t *testing.T) {
	w := begin(t, paired(), nil)
	w.restored()
	for range 5 {
		w.kind(session.SocketLost).timer(session.RetryDue)
	}
	w.kind(session.SocketUp).is(session.Ready, session.CauseConnected)
	if s := w.status(); s.Failures != 0 {
		t.Errorf("READY with %d failures on show", s.Failures)
	}
	before := w.now
	w.timer(session.Stabilized).is(session.Ready, session.CauseConnected)
	if lasted := w.now.Sub(before); lasted != time.Minute {
		t.Errorf("forgotten after %s", lasted)
	}
	if timer := w.m.Timer(); timer.Kind != "" {
		t.Errorf("READY waits for %s", timer.Kind)
	}
	if w.kind(session.SocketLost); w.status().Failures != 1 {
		t.Errorf("%d failures, want 1", w.status().Failures)
	}
}

func TestASessionWaitsForTheDatabaseWithoutConnecting(t *testing.T) {
	w := begin(t, paired(), func(p *session.Policy) { p.MaxAttempts = 1 })
	w.restored().kind(session.SocketUp)
	w.kind(session.StoreFailed).is(session.DisconnectedRecoverable, session.CauseStoreUnavailable, session.CloseSocket)
	for range 20 {
		before := w.now
		w.now = w.m.Timer().At
		w.on(session.Input{Kind: session.RetryDue, StoreFails: true}).is(session.DisconnectedRecoverable, session.CauseStoreUnavailable)
		if next := w.m.Timer().At.Sub(w.now); next < 30*time.Second {
			t.Fatalf("it looks again after %s, and %s before", next, w.now.Sub(before))
		}
	}
	if s := w.status(); s.Failures != 1 {
		t.Errorf("%d failures: waiting is none", s.Failures)
	}
	w.on(session.Input{Kind: session.StoreRecovered, Until: w.now.Add(5 * time.Second)})
	before := w.now
	w.timer(session.RetryDue).is(session.Reconnecting, session.CauseStoreUnavailable, session.OpenSocket)
	if waited := w.now.Sub(before); waited != 5*time.Second {
		t.Errorf("it connected after %s, want its turn", waited)
	}
}

func TestADatabaseThatFailsKeepsEveryRetryFromConnecting(t *testing.T) {
	for _, last := range []session.InputKind{session.Restored, session.SocketLost, session.TempBanned, session.Quarantined} {
		w := begin(t, paired(), nil)
		if last != session.Restored {
			w.restored()
		}
		w.kind(last)
		w.now = w.m.Timer().At
		w.on(session.Input{Kind: session.RetryDue, StoreFails: true}).is(session.DisconnectedRecoverable, session.CauseStoreUnavailable)
	}
}

func TestARequestForACodeWaitsForTheBackoffOfAFailure(t *testing.T) {
	w := begin(t, paired(), nil)
	w.restored().kind(session.SocketUp).kind(session.Replaced)
	w.kind(session.QRAsked).is(session.Reconnecting, session.CauseStarting, session.OpenSocket)
	w.kind(session.SocketUp).kind(session.Replaced)
	for range 3 {
		w.kind(session.QRAsked).is(session.Reconnecting, session.CauseStarting)
		w.kind(session.QRAsked).is(session.Reconnecting, session.CauseStarting)
		w.timer(session.RetryDue).is(session.Reconnecting, session.CauseStarting, session.OpenSocket)
		w.kind(session.Replaced)
	}
	w.after(time.Minute).kind(session.QRAsked).is(session.Reconnecting, session.CauseStarting, session.OpenSocket)
}
