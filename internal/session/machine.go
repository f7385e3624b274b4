package session

import (
	"slices"
	"time"
)

// Timer is the one input that a machine waits for: at the time At, the caller steps it with an input of this Kind.
type Timer struct {
	At   time.Time // zero: the machine waits for nothing
	Kind InputKind // RetryDue, DeadlinePassed or QRExpired
}

// Machine is the state of one session. It is a value: Step returns a new machine and leaves the old one unchanged.
type Machine struct {
	policy *Policy
	seed   uint64 // differs for each session, so that their retries do not come at the same time

	state State
	cause Cause
	since time.Time

	incarnation Incarnation // of the last run
	live        bool        // that run has not been closed
	attempts
	hasDevice bool
	account   Account

	pairing
	timer Timer

	until        time.Time
	restricted   time.Time
	lastError    string
	lastCause    Cause
	connectedAt  time.Time
	disconnectAt time.Time
}

// attempts is what the machine remembers of earlier connections, so that nothing makes a session connect in a loop.
type attempts struct {
	failures  int       // in a row; forgotten when a connection has lasted for Policy.StableAfter
	failedAt  time.Time // of the last failure
	openedAt  time.Time // of the last run
	hurriedAt time.Time // when the session last reconnected without a pause, other than for a person
	linking   bool      // a person has scanned a code, and the first login has not come yet
}

// pairing holds the codes and the passkey challenge of a session that is being linked.
type pairing struct {
	codes   []string // the codes of this run that are left; codes[0] is on show while qr is set
	qr      QR
	seq     int
	passkey *Passkey
	// offeredAt is when WhatsApp issued the codes of this run.
	offeredAt time.Time
	askedAt   time.Time // when somebody last asked for a code, watched it, or started the session
}

// freshFor is how long the codes of a run count as new.
const freshFor = 2 * time.Second

// New returns the machine of a stored session when the process starts. It takes over the states in which a session
// waits for a person. It does not take over the states that need a live client: the input Restored leads back to them.
func New(policy *Policy, seed uint64, record Record, now time.Time) Machine {
	m := Machine{
		policy: policy, seed: seed, state: NotInitialized, cause: CauseNone, since: now,
		hasDevice: record.DeviceJID != "", account: record.Account,
		lastError: record.LastError, lastCause: record.LastCause,
		connectedAt: record.ConnectedAt, disconnectAt: record.DisconnectAt,
	}
	if m.lastCause == "" {
		m.lastCause = CauseNone
	}
	switch record.State {
	case AuthFailure, DisconnectedLogout, DisconnectedBanned:
		m.state, m.cause, m.until, m.since = record.State, record.Cause, record.Until, record.UpdatedAt
	case NotInitialized:
		if record.Cause != "" {
			m.cause = record.Cause
		}
	default:
		// In all other states the session ran or had a retry scheduled: after a restart of the process it is tried
		// again.
	}
	if m.state == DisconnectedBanned && m.cause == CauseTemporaryBan && record.Desired == DesiredRun {
		m.timer = Timer{At: m.until, Kind: RetryDue}
	}
	return m
}

// Timer returns what the machine waits for.
func (m Machine) Timer() Timer { return m.timer }

// State returns the state.
func (m Machine) State() State { return m.state }

// Cause returns the reason for the state.
func (m Machine) Cause() Cause { return m.cause }

// Incarnation returns the number of the last client run, and whether that run is live (not closed by the machine).
func (m Machine) Incarnation() (Incarnation, bool) { return m.incarnation, m.live }

// Fill writes the fields that the machine knows into a status. The caller fills in the others: the id, the desired
// state, the settings, the number of restarts.
func (m Machine) Fill(s *Status) {
	s.State, s.Cause, s.Since = m.state, m.cause, m.since
	s.Incarnation, s.Failures, s.MaxAttempts = m.incarnation, m.failures, m.policy.MaxAttempts
	if m.state == Ready {
		s.Failures = 0 // remembered until READY has lasted, but over for those who look
	}
	s.RetryAt = time.Time{}
	if m.timer.Kind == RetryDue {
		s.RetryAt = m.timer.At
	}
	s.Until, s.Restricted = m.until, m.restricted
	s.LastError, s.LastCause = m.lastError, m.lastCause
	s.HasDevice, s.Account, s.QR, s.Passkey = m.hasDevice, m.account, m.qr, m.passkey
	s.ConnectedAt, s.DisconnectAt = m.connectedAt, m.disconnectAt
}

// QRVerdict returns the answer to a request for a code. It returns false if there is none yet, so the caller waits on.
func (m Machine) QRVerdict(now time.Time) (QRAnswer, bool) {
	answer := QRAnswer{State: m.state, Cause: m.cause}
	switch m.state {
	case QRRequired:
		if !m.qr.Valid(now) {
			return answer, false
		}
		answer.Outcome, answer.QR = OutcomeQR, m.qr
	case Ready:
		answer.Outcome = OutcomeReady
	case AuthFailure, Errored, DisconnectedBanned:
		answer.Outcome = OutcomeFailed
		var status Status
		m.Fill(&status)
		answer.Reason = status.FailureReason()
	case NotInitialized:
		if m.cause != CauseStopped {
			return answer, false
		}
		answer.Outcome = OutcomeStopped
	default:
		return answer, false
	}
	return answer, true
}

// Step applies an input to the machine at a time. It returns the next machine and the effects to carry out, in order.
// An input of a client run that is not the live one changes nothing, nor does the input of a timer that is not armed.
func (m Machine) Step(now time.Time, in Input) (Machine, []Effect) {
	if in.Kind.FromClient() && (!m.live || in.Incarnation != m.incarnation) {
		return m, nil
	}
	if isTimer(in.Kind) && (m.timer.Kind != in.Kind || now.Before(m.timer.At)) {
		return m, nil
	}
	arrived := in.Kind
	in.Kind = m.refine(now, in.Kind)
	rule := firstRule(m, now, in)
	if rule == nil {
		return m, nil
	}
	was := m
	m.takeFields(now, in)
	if rule.To != "" {
		m.state = rule.To
	}
	if rule.Cause != "" {
		m.cause = rule.Cause
	}
	if m.state != was.state || m.cause != was.cause {
		m.since = now
	}
	effects := m.makeEffects(rule.Do, was)
	if len(rule.Do) == len(reopen) && arrived.FromClient() {
		m.hurriedAt = now
	}
	m.derive(now, in, was, len(rule.Do) > 0)
	return m, effects
}

func isTimer(k InputKind) bool {
	return k == RetryDue || k == DeadlinePassed || k == QRExpired || k == Stabilized
}

// refine turns the end of the last code into CodesExhausted. Our timer may notice it first (QRExpired), or the server
// closes the connection first (SocketLost). If the server closes it again and again, it is a lost connection like any
// other.
func (m Machine) refine(now time.Time, k InputKind) InputKind {
	if m.state == QRRequired && m.qr.Code != "" && !m.moreCodes() && (k == QRExpired || k == SocketLost && m.mayHurry(now)) {
		return CodesExhausted
	}
	return k
}

// mayHurry reports whether the session may reconnect without a pause: once, until a connection has lasted.
func (m Machine) mayHurry(now time.Time) bool {
	return m.failures == 0 && now.Sub(m.hurriedAt) >= m.policy.StableAfter
}

// restsUntil is the time before which the session does not connect, although somebody asks for a code, the database works
// again, or a ban is over. The first failure in a row costs nothing. A refused client version is not counted: there the
// circuit breaker decides.
func (m Machine) restsUntil() time.Time {
	return m.failedAt.Add(m.policy.Backoff(m.failures-1, m.seed))
}

// askedRestsUntil is restsUntil for a request for a code. A program that asks in a loop must not connect at its own pace,
// but a person must not wait for minutes.
func (m Machine) askedRestsUntil() time.Time {
	if longest := m.failedAt.Add(longestAskedRest); longest.Before(m.restsUntil()) {
		return longest
	}
	return m.restsUntil()
}

func (m Machine) moreCodes() bool { return len(m.codes) > 1 }

// Attended reports whether a person started the session, asked for a code or watched one lately.
func (m Machine) Attended(now time.Time) bool { return m.attended(now) }

func (m Machine) attended(now time.Time) bool {
	return !m.askedAt.IsZero() && now.Sub(m.askedAt) < m.policy.UnattendedAfter
}

// firstRule returns the first row for the state and the input whose condition holds, or nil.
func firstRule(m Machine, now time.Time, in Input) *Rule {
	for _, rule := range index[pair{m.state, in.Kind}] {
		if rule.When == nil || rule.When.holds(m, now, in) {
			return rule
		}
	}
	return nil
}

type pair struct {
	state State
	input InputKind
}

// index holds the rows of the table by state and input, in the order of the table.
var index = buildIndex()

func buildIndex() map[pair][]*Rule {
	byPair := make(map[pair][]*Rule)
	for i := range table {
		for _, from := range table[i].From {
			p := pair{from, table[i].On}
			byPair[p] = append(byPair[p], &table[i])
		}
	}
	return byPair
}

// takeFields stores the fields of the input that its kind carries.
func (m *Machine) takeFields(now time.Time, in Input) {
	switch in.Kind {
	case QRAsked, QRWatched, Started, Restarted:
		m.askedAt = now
	case QRIssued:
		m.hasDevice = false
		m.codes, m.offeredAt = in.Codes, now
		m.showCode(now, m.policy.FirstCodeTTL)
	case QRRefreshed:
		m.replaceCodes(now, in.Codes)
	case QRExpired:
		m.codes = m.codes[1:]
		m.showCode(now, m.policy.CodeTTL)
	case PasskeyRequired, PasskeyAnswered:
		m.passkey = m.passkey.next(in.Passkey)
	case Paired, SocketUp:
		m.hasDevice = true
		m.account.merge(in.Account)
		switch {
		case in.Kind == Paired:
			m.attempts = attempts{openedAt: m.openedAt, linking: true} // a person has scanned a code: the login that follows is the first
		case m.linking: // the reconnect that was part of linking does not count
			m.linking, m.hurriedAt = false, time.Time{}
		}
	case LoggedOut, Banned, LogoutDue:
		m.hasDevice = false
	case TempBanned:
		m.until = orAfter(in.Until, now, m.policy.BanRetry)
	case SendRestricted:
		m.restricted = orAfter(in.Until, now, m.policy.Restriction)
	default:
	}
}

// next returns the passkey after another step of it: PasskeyAnswered brings the code, and the challenge is kept.
func (p *Passkey) next(in *Passkey) *Passkey {
	if in == nil {
		return p
	}
	step := *in
	if step.Challenge == nil && p != nil {
		step.Challenge = p.Challenge
	}
	return &step
}

// showCode puts the first of the remaining codes on show.
func (m *Machine) showCode(now time.Time, ttl time.Duration) {
	m.qr = QR{}
	if len(m.codes) == 0 {
		return
	}
	m.seq++
	m.qr = QR{Code: m.codes[0], Seq: m.seq, IssuedAt: now, ExpiresAt: now.Add(ttl)}
	m.qr.LastsTill = m.qr.ExpiresAt.Add(time.Duration(len(m.codes)-1) * m.policy.CodeTTL)
}

// replaceCodes replaces the codes that are left by the same ones with a new secret. all are the codes of this run, also
// those that have expired. The code on show stays valid as long as before.
func (m *Machine) replaceCodes(now time.Time, all []string) {
	if len(all) < len(m.codes) {
		return
	}
	m.codes = all[len(all)-len(m.codes):]
	m.seq++
	m.qr.Code, m.qr.Seq, m.qr.IssuedAt = m.codes[0], m.seq, now
}

// merge takes over the fields that b knows.
func (a *Account) merge(b Account) {
	if b.JID != "" && a.JID != "" && !a.Same(b) {
		*a = Account{} // nothing of another account is true of this one
	}
	if b.JID != "" {
		a.JID = b.JID
	}
	if b.LID != "" {
		a.LID = b.LID
	}
	if b.PushName != "" {
		a.PushName = b.PushName
	}
}

// orAfter returns at if it is in the future, and else the time d from now.
func orAfter(at, now time.Time, d time.Duration) time.Time {
	if at.After(now) {
		return at
	}
	return now.Add(d)
}

// latest returns the latest of the times.
func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// makeEffects adds the incarnations to the row's effects. It leaves out CloseSocket if no run is live. was is the machine
// before the step.
func (m *Machine) makeEffects(do []EffectKind, was Machine) []Effect {
	var effects []Effect
	for _, kind := range do {
		switch kind {
		case OpenSocket:
			m.incarnation++
			m.live = true
			effects = append(effects, Effect{Kind: OpenSocket, Incarnation: m.incarnation})
		case CloseSocket:
			if m.live {
				effects = append(effects, Effect{Kind: CloseSocket, Incarnation: m.incarnation})
			}
			m.live = false
		case Unlink:
			m.live = false
			effects = append(effects, Effect{Kind: Unlink, Incarnation: m.incarnation, Linked: was.hasDevice, Elsewhere: was.cause == CauseReplaced})
		}
	}
	return effects
}

// derive computes the other fields from the new state: the code on show, the failures, the times, and the timer. acted
// says that the row had effects.
func (m *Machine) derive(now time.Time, in Input, was Machine, acted bool) {
	opened := m.live && m.incarnation != was.incarnation
	if opened || m.state != QRRequired || m.cause == CausePasskey {
		m.codes, m.qr = nil, QR{}
	}
	if m.cause != CausePasskey {
		m.passkey = nil
	}
	if in.Kind == Crashed {
		m.live = false // the restarted actor has closed the client
	}
	if opened {
		m.openedAt = now
	}
	m.countFailures(now, in, was)
	m.keepLastFailure(in, was)
	if was.state == Ready && m.state != Ready {
		m.disconnectAt = now
	}
	if m.state == Ready && was.state != Ready {
		m.connectedAt = now
	}
	if m.state != DisconnectedBanned {
		m.until = time.Time{}
	}
	if !m.restricted.After(now) {
		m.restricted = time.Time{}
	}
	m.armTimer(now, in, was, opened, acted)
}

// countFailures counts failures in a row. A connection that has lasted ends the row, and so does a start by a person or
// by the cool-down. A login alone does not: a connection that breaks right after each login would come back without end.
func (m *Machine) countFailures(now time.Time, in Input, was Machine) {
	switch {
	case in.Kind == Started, in.Kind == Restarted, in.Kind == Stopped, in.Kind == LogoutDue:
		m.attempts = attempts{openedAt: m.openedAt}
	case in.Kind == Stabilized, in.Kind == RetryDue && was.state == Errored,
		in.Kind == QRExpired && now.Sub(m.openedAt) >= m.policy.StableAfter,
		in.Kind == QRAsked && now.Sub(m.failedAt) >= m.policy.CoolDown:
		m.failures = 0
	case m.failed(in, was):
		m.failures++
		m.failedAt = now
	}
}

// failed reports whether the input ended an attempt, or a connection. Waiting for the database ends neither.
func (m *Machine) failed(in Input, was Machine) bool {
	switch {
	case in.Kind == Crashed:
		return true
	case m.state == was.state, in.Kind == RetryDue, m.cause == CauseClientOutdated:
		return false
	default:
		return m.state == DisconnectedRecoverable || m.state == Errored || m.state == AuthFailure ||
			m.state == DisconnectedLogout || m.state == DisconnectedBanned
	}
}

// keepLastFailure stores the last failure for people to read. It stays after the session has recovered.
func (m *Machine) keepLastFailure(in Input, was Machine) {
	failed := m.state == DisconnectedRecoverable || m.state == Errored || m.state == AuthFailure ||
		m.state == DisconnectedLogout || m.state == DisconnectedBanned || in.Kind == Crashed
	if !failed || (m.state == was.state && m.cause == was.cause && in.Kind != Crashed) {
		return
	}
	m.lastCause, m.lastError = m.cause, in.Detail
}

// armTimer sets the one timer. It leaves the timer running after rows that change neither state nor connection.
func (m *Machine) armTimer(now time.Time, in Input, was Machine, opened, acted bool) {
	entered := m.state != was.state || m.cause != was.cause || acted
	switch m.state {
	case Initializing, Reconnecting:
		switch {
		case in.Kind == Crashed:
			m.timer = Timer{now.Add(m.policy.Backoff(m.failures, m.seed)), RetryDue}
		case in.Kind == Restored, in.Kind == Released:
			m.timer = Timer{orAfter(in.Until, now, 0), RetryDue}
		case entered && !m.live: // a request for a code that came too soon
			m.timer = Timer{orAfter(m.askedRestsUntil(), now, 0), RetryDue}
		case m.cause == CausePairing && entered:
			m.timer = Timer{now.Add(m.policy.PairingDeadline), DeadlinePassed}
		case opened:
			m.timer = Timer{now.Add(m.policy.ConnectDeadline), DeadlinePassed}
		}
	case QRRequired:
		switch {
		case m.cause == CausePasskey && entered:
			m.timer = Timer{now.Add(m.policy.PasskeyDeadline), DeadlinePassed}
		case opened:
			m.timer = Timer{now.Add(m.policy.ConnectDeadline), DeadlinePassed}
		case m.qr.Code != "":
			m.timer = Timer{m.qr.ExpiresAt, QRExpired}
		case in.Kind == QRIssued: // WhatsApp issued no code
			m.timer = Timer{now.Add(m.policy.ConnectDeadline), DeadlinePassed}
		}
	case Ready:
		switch {
		case entered && m.failures > 0:
			m.timer = Timer{now.Add(m.policy.StableAfter), Stabilized}
		case entered, in.Kind == Stabilized:
			m.timer = Timer{}
		}
	case DisconnectedRecoverable:
		switch {
		case in.Kind == StoreRecovered:
			m.timer = Timer{latest(in.Until, m.restsUntil(), now), RetryDue}
		case in.Kind == RetryDue: // the database fails: StoreRecovered ends the wait, and this is in case it is missed
			m.timer = Timer{now.Add(m.policy.Backoff(manyFailures, m.seed)), RetryDue}
		case entered:
			m.timer = Timer{now.Add(m.policy.Backoff(m.failures, m.seed)), RetryDue}
		}
	case Errored:
		if entered {
			m.timer = Timer{now.Add(m.policy.CoolDown), RetryDue}
		}
	case DisconnectedBanned:
		if entered {
			m.timer = Timer{}
			if m.cause == CauseTemporaryBan {
				m.timer = Timer{latest(m.until, m.restsUntil()), RetryDue}
			}
		}
	default:
		m.timer = Timer{}
	}
}
