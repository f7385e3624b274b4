package session_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/session"
)

// drawInput draws any input. Most have the live incarnation, some a stale or a future one.
func drawInput(rt *rapid.T, m session.Machine, now time.Time) session.Input {
	in := session.Input{Kind: rapid.SampledFrom(session.Inputs()).Draw(rt, "kind")}
	live, _ := m.Incarnation()
	in.Incarnation = live
	if in.Kind.FromClient() && rapid.IntRange(0, 9).Draw(rt, "stale") == 0 {
		in.Incarnation = session.Incarnation(rapid.IntRange(0, int(live)+2).Draw(rt, "incarnation"))
	}
	in.Codes = rapid.SliceOfN(rapid.StringN(1, 4, -1), 0, 6).Draw(rt, "codes")
	in.Code = rapid.SampledFrom([]int{0, 400, 429, 500, 503}).Draw(rt, "code")
	if rapid.Bool().Draw(rt, "has until") {
		in.Until = now.Add(time.Duration(rapid.IntRange(-60, 3600).Draw(rt, "until")) * time.Second)
	}
	return in
}

func holdsSocket(s session.State) bool {
	return s == session.Initializing || s == session.Reconnecting || s == session.QRRequired || s == session.Ready
}

func TestInvariantsHoldWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := session.DefaultPolicy()
		policy.MaxAttempts = rapid.IntRange(0, 4).Draw(rt, "max attempts")
		record := session.Record{ID: "x", Desired: session.DesiredRun}
		record.State = rapid.SampledFrom(append(session.States(), "")).Draw(rt, "stored state")
		record.Cause = rapid.SampledFrom(session.Causes()).Draw(rt, "stored cause")
		if rapid.Bool().Draw(rt, "paired") {
			record.DeviceJID = "1:2@s.whatsapp.net"
		}
		now := time.Unix(1_800_000_000, 0)
		m := session.New(&policy, rapid.Uint64().Draw(rt, "seed"), record, now)
		open := session.Incarnation(0) // the run that effects say is open; 0: none
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "seconds")) * time.Second)
			var in session.Input
			if timer := m.Timer(); timer.Kind != "" && rapid.Bool().Draw(rt, "fire") {
				if timer.At.After(now) {
					now = timer.At
				}
				in = session.Input{Kind: timer.Kind}
			} else {
				in = drawInput(rt, m, now)
			}
			before := m
			beforeRun, beforeLive := m.Incarnation()
			var effects []session.Effect
			m, effects = m.Step(now, in)
			open = checkEffects(rt, in, open, effects, m)
			checkMachine(rt, m, now, open)
			if in.Kind.FromClient() && (!beforeLive || in.Incarnation != beforeRun) {
				if len(effects) > 0 || m.State() != before.State() || m.Timer() != before.Timer() {
					rt.Fatalf("a stale %s moved the machine", in.Kind)
				}
			}
			if before.Cause() == session.CauseReplaced && m.State() != before.State() {
				switch in.Kind {
				case session.Started, session.Restarted, session.Stopped, session.LogoutDue, session.QRAsked, session.Quarantined:
				default:
					rt.Fatalf("%s took a replaced session back: only people may", in.Kind)
				}
			}
		}
	})
}

func checkEffects(rt *rapid.T, in session.Input, open session.Incarnation, effects []session.Effect, m session.Machine) session.Incarnation {
	if in.Kind == session.Crashed {
		if _, live := m.Incarnation(); !live {
			open = 0 // the restart closed it
		}
	}
	for _, effect := range effects {
		switch effect.Kind {
		case session.OpenSocket:
			if open != 0 {
				rt.Fatalf("%s opens run %d while run %d is open", in.Kind, effect.Incarnation, open)
			}
			open = effect.Incarnation
		case session.CloseSocket:
			if open == 0 || effect.Incarnation != open {
				rt.Fatalf("%s closes run %d while run %d is open", in.Kind, effect.Incarnation, open)
			}
			open = 0
		case session.Unlink:
			if in.Kind != session.LogoutDue {
				rt.Fatalf("%s deletes credentials: only a person may", in.Kind)
			}
			open = 0
		}
	}
	return open
}

func checkMachine(rt *rapid.T, m session.Machine, now time.Time, open session.Incarnation) {
	run, live := m.Incarnation()
	if live != (open != 0) || (live && run != open) {
		rt.Fatalf("the machine says run %d live %v, the effects say run %d is open", run, live, open)
	}
	if live && !holdsSocket(m.State()) {
		rt.Fatalf("%s holds a socket", m.State())
	}
	timer := m.Timer()
	waiting := m.State().Transitional() || m.State() == session.QRRequired || m.State() == session.Errored
	if waiting && timer.At.IsZero() {
		rt.Fatalf("%s, %s has no deadline", m.State(), m.Cause())
	}
	if holdsSocket(m.State()) && !live && timer.Kind != session.RetryDue {
		rt.Fatalf("%s, %s has neither a run nor a retry", m.State(), m.Cause())
	}
	var s session.Status
	m.Fill(&s)
	if s.State == session.Ready && s.Failures != 0 {
		rt.Fatalf("READY with %d failures", s.Failures)
	}
	if answer, ok := m.QRVerdict(now); ok && answer.Outcome == session.OutcomeQR && !answer.QR.Valid(now) {
		rt.Fatal("an expired code is served")
	}
	if s.State != session.QRRequired && s.QR.Code != "" {
		rt.Fatalf("%s shows a code", s.State)
	}
}

func TestAPauseDoublesUpToItsLongest(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		b    session.Backoff
		want []time.Duration // after 0, 1, 2, … failures
	}{
		{session.Backoff{100 * ms, 1000 * ms}, []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms}},
		{session.Backoff{100 * ms, 400 * ms}, []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 400 * ms}},
		{session.Backoff{5 * ms, ms}, []time.Duration{0, ms, ms}},
	} {
		for failures, want := range c.want {
			if got := c.b.Step(failures); got != want {
				t.Errorf("%+v after %d failures: %s, want %s", c.b, failures, got, want)
			}
		}
		if got := c.b.Step(math.MaxInt32); got != c.b.Longest {
			t.Errorf("%+v after very many failures: %s", c.b, got)
		}
	}
	if got := (session.Backoff{1, math.MaxInt64}).Step(100); got != math.MaxInt64 {
		t.Errorf("what would overflow is %s", got)
	}
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := session.DefaultPolicy()
		n := rapid.IntRange(1, 200).Draw(rt, "failures")
		got := policy.Backoff(n, rapid.Uint64().Draw(rt, "seed"))
		if got < policy.BackoffMin/2 || got > policy.BackoffMax {
			rt.Fatalf("backoff %d is %s", n, got)
		}
		if n > 8 && got < policy.BackoffMax/2 {
			rt.Fatalf("backoff %d is %s: the cap is not reached", n, got)
		}
	})
}

func TestBackoffOfDifferentSessionsIsSpread(t *testing.T) {
	policy := session.DefaultPolicy()
	seen := map[time.Duration]bool{}
	for seed := range uint64(1000) {
		seen[policy.Backoff(6, seed)] = true
	}
	if len(seen) < 990 {
		t.Fatalf("1000 sessions share %d waits", len(seen))
	}
}

func TestAnIDIsKeptAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.String().Draw(rt, "text")
		if id, err := session.ParseID(s); err == nil && (string(id) != s || len(s) > 64) {
			rt.Fatalf("%q parsed as %q", s, id)
		}
	})
}
