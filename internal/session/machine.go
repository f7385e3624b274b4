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
