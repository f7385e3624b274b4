package session_test

import (
	"testing"
	"time"

	"wasup/internal/session"
)

// walk steps one machine through a scenario with its own clock.
type walk struct {
	t       *testing.T
	now     time.Time
	m       session.Machine
	effects []session.Effect
}

func begin(t *testing.T, record session.Record, change func(*session.Policy)) *walk {
	t.Helper()
	policy := session.DefaultPolicy()
	if change != nil {
		change(&policy)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &walk{t: t, now: now, m: session.New(&policy, 7, record, now)}
}

func paired() session.Record {
	return session.Record{ID: "51", Desired: session.DesiredRun, DeviceJID: "5491100000000:3@s.whatsapp.net"}
}

// on steps the machine. It puts the live incarnation into inputs of a client run.
func (w *walk) on(in session.Input) *walk {
	if in.Kind.FromClient() && in.Incarnation == 0 {
		in.Incarnation, _ = w.m.Incarnation()
	}
	w.m, w.effects = w.m.Step(w.now, in)
	return w
}

// restored restores the session like the start of the process does.
func (w *walk) restored() *walk {
	w.t.Helper()
	w.kind(session.Restored).is(session.Reconnecting, session.CauseRestoring)
	return w.timer(session.RetryDue).is(session.Reconnecting, session.CauseRestoring, session.OpenSocket)
}

func (w *walk) kind(k session.InputKind) *walk { return w.on(session.Input{Kind: k}) }

func (w *walk) after(d time.Duration) *walk { w.now = w.now.Add(d); return w }

// timer lets the armed timer fire.
func (w *walk) timer(want session.InputKind) *walk {
	w.t.Helper()
	timer := w.m.Timer()
	if timer.Kind != want {
		w.t.Fatalf("the timer waits for %q, want %q", timer.Kind, want)
	}
	if timer.At.After(w.now) {
		w.now = timer.At
	}
	return w.kind(want)
}

func (w *walk) is(state session.State, cause session.Cause, effects ...session.EffectKind) *walk {
	w.t.Helper()
	if w.m.State() != state || w.m.Cause() != cause {
		w.t.Fatalf("state is %s, %s; want %s, %s", w.m.State(), w.m.Cause(), state, cause)
	}
	if len(w.effects) != len(effects) {
		w.t.Fatalf("effects are %v, want %v", w.effects, effects)
	}
	for i := range effects {
		if w.effects[i].Kind != effects[i] {
			w.t.Fatalf("effects are %v, want %v", w.effects, effects)
		}
	}
	return w
}

func (w *walk) status() session.Status {
	var s session.Status
	w.m.Fill(&s)
	return s
}

func codes(c ...string) session.Input { return session.Input{Kind: session.QRIssued, Codes: c} }

func TestPairingFromTheFirstAskToReady(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, nil)
	w.kind(session.QRAsked).is(session.Initializing, session.CauseStarting, session.OpenSocket)
	w.on(codes("a", "b", "c")).is(session.QRRequired, session.CausePairing)
	if answer, ok := w.m.QRVerdict(w.now); !ok || answer.QR.Code != "a" || answer.QR.Seq != 1 {
		t.Fatalf("the first code is not on show: %+v", answer)
	}
	w.timer(session.QRExpired).is(session.QRRequired, session.CausePairing)
	if answer, _ := w.m.QRVerdict(w.now); answer.QR.Code != "b" || !answer.QR.ExpiresAt.Equal(w.now.Add(20*time.Second)) {
		t.Fatalf("the second code is not on show for 20 s: %+v", answer)
	}
	w.kind(session.Scanned).is(session.Reconnecting, session.CausePairing)
	w.on(session.Input{Kind: session.Paired, Account: session.Account{JID: "5491100000000:3@s.whatsapp.net"}})
	w.is(session.Reconnecting, session.CausePairing)
	if _, ok := w.m.QRVerdict(w.now); ok {
		t.Fatal("a scanned code must not be served")
	}
	w.kind(session.LoginReconnect).is(session.Reconnecting, session.CausePairing, session.CloseSocket, session.OpenSocket)
	w.kind(session.SocketUp).is(session.Ready, session.CauseConnected)
	if s := w.status(); s.Failures != 0 || s.Account.Phone() != "5491100000000" || !s.HasDevice {
		t.Fatalf("status after pairing: %+v", s)
	}
}

func TestTheCloseAfterPairingReconnectsAtOnceOnceAndThenBacksOff(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, nil)
	w.kind(session.QRAsked).on(codes("a")).kind(session.Paired)
	w.kind(session.SocketLost).is(session.Reconnecting, session.CausePairing, session.CloseSocket, session.OpenSocket)
	w.kind(session.SocketLost).is(session.DisconnectedRecoverable, session.CauseSocketLost, session.CloseSocket)
	w.timer(session.RetryDue).is(session.Reconnecting, session.CauseSocketLost, session.OpenSocket)
}

func TestALoginThatNeverEndsAfterPairingIsRetried(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, nil)
	w.kind(session.QRAsked).on(codes("a")).kind(session.Paired)
	w.timer(session.DeadlinePassed).is(session.DisconnectedRecoverable, session.CauseConnectDeadline, session.CloseSocket)
}

func TestCodesThatRunOutReconnectWhileSomebodyAsks(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, nil)
	w.kind(session.QRAsked).on(codes("a", "b")).timer(session.QRExpired)
	w.timer(session.QRExpired).is(session.QRRequired, session.CausePairing, session.CloseSocket, session.OpenSocket)
	if _, ok := w.m.QRVerdict(w.now); ok {
		t.Fatal("there is no code until the new run issues one")
	}
	w.on(codes("d"))
	if answer, _ := w.m.QRVerdict(w.now); answer.QR.Code != "d" || answer.QR.Seq != 3 {
		t.Fatalf("the new run's code is not on show: %+v", answer)
	}
}

func TestCodesThatRunOutWithNobodyAskingParkTheSession(t *testing.T) {
	for _, end := range []session.InputKind{session.QRExpired, session.SocketLost} {
		w := begin(t, session.Record{ID: "51"}, func(p *session.Policy) { p.UnattendedAfter = 10 * time.Second })
		w.kind(session.QRAsked).on(codes("a")).after(time.Minute)
		w.kind(end).is(session.NotInitialized, session.CauseUnattended, session.CloseSocket)
		w.kind(session.QRAsked).is(session.Initializing, session.CauseStarting, session.OpenSocket)
	}
}

func TestReadingTheCodeKeepsThePairingAttended(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, func(p *session.Policy) { p.UnattendedAfter = 30 * time.Second })
	w.kind(session.Started).on(codes("a")).after(50*time.Second).kind(session.QRWatched).is(session.QRRequired, session.CausePairing)
	w.after(10*time.Second).kind(session.QRExpired).is(session.QRRequired, session.CausePairing, session.CloseSocket, session.OpenSocket)
}

func TestEveryEndOfAConnectionLeadsToItsStateAndCause(t *testing.T) {
	hour := time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		in    session.Input
		state session.State
		cause session.Cause
		retry bool
	}{
		{session.Input{Kind: session.SocketLost}, session.DisconnectedRecoverable, session.CauseSocketLost, true},
		{session.Input{Kind: session.KeepAliveStale}, session.DisconnectedRecoverable, session.CauseKeepAliveStale, true},
		{session.Input{Kind: session.AckOverdue}, session.DisconnectedRecoverable, session.CauseAckOverdue, true},
		{session.Input{Kind: session.StoreFailed}, session.DisconnectedRecoverable, session.CauseStoreUnavailable, true},
		{session.Input{Kind: session.ConnectRefused, Code: 503}, session.DisconnectedRecoverable, session.CauseServerUnavailable, true},
		{session.Input{Kind: session.ConnectRefused, Code: 429}, session.DisconnectedRecoverable, session.CauseConnectRefused, true},
		{session.Input{Kind: session.LoggedOut}, session.DisconnectedLogout, session.CauseLoggedOut, false},
		{session.Input{Kind: session.Replaced}, session.DisconnectedLogout, session.CauseReplaced, false},
		{session.Input{Kind: session.Banned}, session.DisconnectedBanned, session.CauseBanned, false},
		{session.Input{Kind: session.TempBanned, Until: hour}, session.DisconnectedBanned, session.CauseTemporaryBan, true},
		{session.Input{Kind: session.ClientOutdated}, session.Errored, session.CauseClientOutdated, true},
	} {
		w := begin(t, paired(), nil)
		w.restored()
		w.kind(session.SocketUp).on(row.in).is(row.state, row.cause, session.CloseSocket)
		if got := w.m.Timer().Kind == session.RetryDue; got != row.retry {
			t.Errorf("%s: retry scheduled is %v, want %v", row.in.Kind, got, row.retry)
		}
		if s := w.status(); s.LastCause != row.cause {
			t.Errorf("%s: the last cause is %s", row.in.Kind, s.LastCause)
		}
	}
}

func TestATemporaryBanIsRetriedOnceItIsOver(t *testing.T) {
	w := begin(t, paired(), nil)
	until := w.now.Add(time.Hour)
	w.restored().on(session.Input{Kind: session.TempBanned, Until: until})
	if s := w.status(); !s.Until.Equal(until) || !s.RetryAt.Equal(until) {
		t.Fatalf("until and retry are %v and %v, want %v", s.Until, s.RetryAt, until)
	}
	w.kind(session.Started).is(session.DisconnectedBanned, session.CauseTemporaryBan)
	w.timer(session.RetryDue).is(session.Reconnecting, session.CauseTemporaryBan, session.OpenSocket)
}

func TestRetriesBackOffAndGiveUpWhereAttemptsAreLimited(t *testing.T) {
	w := begin(t, paired(), func(p *session.Policy) { p.MaxAttempts = 3 })
	w.restored()
	for range 2 {
		w.kind(session.SocketLost).is(session.DisconnectedRecoverable, session.CauseSocketLost, session.CloseSocket)
		w.timer(session.RetryDue).is(session.Reconnecting, session.CauseSocketLost, session.OpenSocket)
	}
	w.kind(session.SocketLost).is(session.Errored, session.CauseAttemptsExhausted, session.CloseSocket)
	w.timer(session.RetryDue).is(session.Reconnecting, session.CauseStarting, session.OpenSocket)
	if s := w.status(); s.Failures != 0 {
		t.Fatalf("%d failures after the cool-down, want 0", s.Failures)
	}
}

func TestACrashReconnectsLate(t *testing.T) {
	w := begin(t, paired(), nil)
	w.restored().kind(session.SocketUp).kind(session.Crashed).is(session.Reconnecting, session.CauseCrashed)
	if _, live := w.m.Incarnation(); live {
		t.Fatal("the crashed run must not count as live")
	}
	w.timer(session.RetryDue).is(session.Reconnecting, session.CauseCrashed, session.OpenSocket)
	w.kind(session.SocketUp).is(session.Ready, session.CauseConnected)
}

func TestQuarantineIsLeftByAPersonOrTheCoolDown(t *testing.T) {
	w := begin(t, paired(), nil)
	w.restored().kind(session.SocketUp).kind(session.Quarantined).is(session.Errored, session.CauseQuarantined, session.CloseSocket)
	byPerson := *w
	byPerson.kind(session.Restarted).is(session.Reconnecting, session.CauseStarting, session.OpenSocket)
	w.timer(session.RetryDue).is(session.Reconnecting, session.CauseStarting, session.OpenSocket)
}

func TestAPersonsVerbsWorkFromEveryState(t *testing.T) {
	stories := map[session.State]func(*walk){
		session.NotInitialized:          func(*walk) {},
		session.Reconnecting:            func(w *walk) { w.restored() },
		session.Ready:                   func(w *walk) { w.restored().kind(session.SocketUp) },
		session.QRRequired:              func(w *walk) { w.restored().on(codes("a")) },
		session.AuthFailure:             func(w *walk) { w.restored().kind(session.PairFailed) },
		session.DisconnectedRecoverable: func(w *walk) { w.restored().kind(session.SocketLost) },
		session.DisconnectedLogout:      func(w *walk) { w.restored().kind(session.Replaced) },
		session.DisconnectedBanned:      func(w *walk) { w.restored().kind(session.Banned) },
		session.Errored:                 func(w *walk) { w.restored().kind(session.ClientOutdated) },
		session.Initializing:            func(w *walk) { w.restored().kind(session.LoggedOut).kind(session.Started) },
	}
	for _, state := range session.States() {
		for _, verb := range []session.InputKind{session.Restarted, session.Stopped, session.LogoutDue} {
			w := begin(t, paired(), nil)
			stories[state](w)
			if w.m.State() != state {
				t.Fatalf("the story for %s ends in %s", state, w.m.State())
			}
			w.kind(verb)
			_, live := w.m.Incarnation()
			switch verb {
			case session.Restarted:
				if !live || (w.m.State() != session.Reconnecting && w.m.State() != session.Initializing) {
					t.Errorf("Restarted in %s leads to %s, live %v", state, w.m.State(), live)
				}
			case session.Stopped:
				if live || w.m.State() != session.NotInitialized || w.m.Cause() != session.CauseStopped {
					t.Errorf("Stopped in %s leads to %s, %s", state, w.m.State(), w.m.Cause())
				}
			case session.LogoutDue:
				if live || w.m.State() != session.DisconnectedLogout || w.status().HasDevice {
					t.Errorf("LogoutDue in %s leads to %s", state, w.m.State())
				}
			}
		}
	}
}

func TestPeopleWaitInTheStatesOfTheRecordAcrossARestartOfTheProcess(t *testing.T) {
	for _, row := range []struct {
		state session.State
		cause session.Cause
		want  session.State
	}{
		{session.DisconnectedLogout, session.CauseLoggedOut, session.DisconnectedLogout},
		{session.DisconnectedBanned, session.CauseBanned, session.DisconnectedBanned},
		{session.AuthFailure, session.CausePairFailed, session.AuthFailure},
		{session.Ready, session.CauseConnected, session.Reconnecting},
		{session.Errored, session.CauseQuarantined, session.Reconnecting},
		{session.DisconnectedRecoverable, session.CauseSocketLost, session.Reconnecting},
	} {
		record := paired()
		record.State, record.Cause = row.state, row.cause
		w := begin(t, record, nil)
		if w.kind(session.Restored); w.m.State() != row.want {
			t.Errorf("stored %s comes back as %s, want %s", row.state, w.m.State(), row.want)
		}
	}
	record := paired()
	record.DeviceJID = ""
	w := begin(t, record, nil)
	w.kind(session.Restored).is(session.NotInitialized, session.CauseUnattended)
}

func TestARestrictionIsKeptUntilItsEnd(t *testing.T) {
	w := begin(t, paired(), nil)
	until := w.now.Add(2 * time.Hour)
	w.restored().kind(session.SocketUp)
	w.on(session.Input{Kind: session.SendRestricted, Until: until}).is(session.Ready, session.CauseConnected)
	if s := w.status(); !s.Restricted.Equal(until) {
		t.Fatalf("restricted until %v, want %v", s.Restricted, until)
	}
}

func TestAPasskeyChallengeVoidsTheCode(t *testing.T) {
	w := begin(t, session.Record{ID: "51"}, nil)
	w.kind(session.QRAsked).on(codes("a", "b")).kind(session.PasskeyRequired).is(session.QRRequired, session.CausePasskey)
	if _, ok := w.m.QRVerdict(w.now); ok {
		t.Fatal("the code is void while WhatsApp waits for the passkey")
	}
	w.kind(session.Paired).is(session.Reconnecting, session.CausePairing)
}
