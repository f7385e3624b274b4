package session

import "time"

// Timer is the one thing a machine waits for: at the time At, step it with an input of this Kind.
type Timer struct {
	At   time.Time // zero: nothing
	Kind InputKind // RetryDue, DeadlinePassed or QRExpired
}

// Machine is the state of one session. It is a value: stepping gives a new one and leaves the old one as it was.
type Machine struct {
	policy *Policy
	seed   uint64 // spreads the backoff of different sessions

	state State
	cause Cause
	since time.Time

	incarnation Incarnation // of the last run
	live        bool        // that run has not been closed
	failures    int
	hasDevice   bool
	account     Account

	pairing
	timer Timer

	until        time.Time
	restricted   time.Time
	lastError    string
	lastCause    Cause
	connectedAt  time.Time
	disconnectAt time.Time
}

// pairing is what a machine knows while its session waits for a person.
type pairing struct {
	codes   []string // of this run; codes[0] is on show while qr is set
	qr      QR
	seq     int
	passkey *Passkey
	askedAt time.Time
}

// New is the machine of a stored session when the process starts. States that need a live client are not taken over
// from the record: they come back by Restored. States in which a session waits for a person are.
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
		// The rest ran, or was to be retried: a restart of the process retries it.
	}
	if m.state == DisconnectedBanned && m.cause == CauseTemporaryBan && record.Desired == DesiredRun {
		m.timer = Timer{At: m.until, Kind: RetryDue}
	}
	return m
}

// Timer is what the machine waits for now.
func (m Machine) Timer() Timer { return m.timer }

// State is the state.
func (m Machine) State() State { return m.state }

// Cause is the reason beside the state.
func (m Machine) Cause() Cause { return m.cause }

// Incarnation is the number of the last client run, and whether that run is still wanted.
func (m Machine) Incarnation() (Incarnation, bool) { return m.incarnation, m.live }

// Fill writes what the machine knows into a status; identity, desired state and counts of others are the caller's.
func (m Machine) Fill(s *Status) {
	s.State, s.Cause, s.Since = m.state, m.cause, m.since
	s.Incarnation, s.Failures, s.MaxAttempts = m.incarnation, m.failures, m.policy.MaxAttempts
	s.RetryAt = time.Time{}
	if m.timer.Kind == RetryDue {
		s.RetryAt = m.timer.At
	}
	s.Until, s.Restricted = m.until, m.restricted
	s.LastError, s.LastCause = m.lastError, m.lastCause
	s.HasDevice, s.Account, s.QR, s.Passkey = m.hasDevice, m.account, m.qr, m.passkey
	s.ConnectedAt, s.DisconnectAt = m.connectedAt, m.disconnectAt
}

// QRVerdict settles a request for a code, if the session has come to where it can be settled.
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

// Step is the machine: what happened at a time turns it into the next machine and what is to be done. An input of a
// client run that is not the live one, or of a timer that is not armed, changes nothing.
func (m Machine) Step(now time.Time, in Input) (Machine, []Effect) {
	if in.Kind.FromClient() && (!m.live || in.Incarnation != m.incarnation) {
		return m, nil
	}
	if isTimer(in.Kind) && (m.timer.Kind != in.Kind || now.Before(m.timer.At)) {
		return m, nil
	}
	in.Kind = m.refine(in.Kind)
	rule := find(m, now, in)
	if rule == nil {
		return m, nil
	}
	was := m
	m.note(now, in)
	if rule.To != "" {
		m.state = rule.To
	}
	if rule.Cause != "" {
		m.cause = rule.Cause
	}
	if m.state != was.state || m.cause != was.cause {
		m.since = now
	}
	effects := m.act(rule.Do)
	m.settle(now, in, was, len(rule.Do) > 0)
	return m, effects
}

func isTimer(k InputKind) bool { return k == RetryDue || k == DeadlinePassed || k == QRExpired }

// refine gives the end of the last code its own name, whether our timer saw it or the server closed first.
func (m Machine) refine(k InputKind) InputKind {
	if m.state == QRRequired && m.qr.Code != "" && !m.moreCodes() && (k == QRExpired || k == SocketLost) {
		return CodesExhausted
	}
	return k
}

func (m Machine) moreCodes() bool { return len(m.codes) > 1 }

func (m Machine) attended(now time.Time) bool {
	return !m.askedAt.IsZero() && now.Sub(m.askedAt) < m.policy.UnattendedAfter
}

// find is the first row that holds. The index is built once from the table.
func find(m Machine, now time.Time, in Input) *Rule {
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

// note takes over what the input carries.
func (m *Machine) note(now time.Time, in Input) {
	switch in.Kind {
	case QRAsked, QRWatched, Started, Restarted:
		m.askedAt = now
	case QRIssued:
		m.hasDevice = false
		m.codes = in.Codes
		m.show(now, m.policy.FirstCodeTTL)
	case QRExpired:
		m.codes = m.codes[1:]
		m.show(now, m.policy.CodeTTL)
	case PasskeyRequired, PasskeyAnswered:
		m.passkey = m.passkey.next(in.Passkey)
	case Paired, SocketUp:
		m.hasDevice = true
		m.account.merge(in.Account)
	case LoggedOut, Banned, LogoutDue:
		m.hasDevice = false
	case TempBanned:
		m.until = orAfter(in.Until, now, m.policy.BanRetry)
	case SendRestricted:
		m.restricted = orAfter(in.Until, now, m.policy.Restriction)
	default:
	}
}

// next keeps the challenge beside the code that follows it.
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

func (m *Machine) show(now time.Time, ttl time.Duration) {
	m.qr = QR{}
	if len(m.codes) == 0 {
		return
	}
	m.seq++
	m.qr = QR{Code: m.codes[0], Seq: m.seq, IssuedAt: now, ExpiresAt: now.Add(ttl)}
	m.qr.LastsTill = m.qr.ExpiresAt.Add(time.Duration(len(m.codes)-1) * m.policy.CodeTTL)
}

func (a *Account) merge(b Account) {
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

func orAfter(at, now time.Time, d time.Duration) time.Time {
	if at.After(now) {
		return at
	}
	return now.Add(d)
}

// act turns the row's effects into effects with incarnations. Closing what is not open is no effect.
func (m *Machine) act(do []EffectKind) []Effect {
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
			effects = append(effects, Effect{Kind: Unlink, Incarnation: m.incarnation})
		}
	}
	return effects
}

// settle derives the rest from where the machine has come to: code on show, failures, timer, times.
func (m *Machine) settle(now time.Time, in Input, was Machine, acted bool) {
	opened := m.live && m.incarnation != was.incarnation
	if opened || m.state != QRRequired || m.cause == CausePasskey {
		m.codes, m.qr = nil, QR{}
	}
	if m.cause != CausePasskey {
		m.passkey = nil
	}
	if in.Kind == Crashed {
		m.live = false // the supervisor's restart has released the client
	}
	m.count(in, was)
	m.remember(in, was)
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
	m.arm(now, in, was, opened, acted)
}

func (m *Machine) count(in Input, was Machine) {
	switch {
	case m.state == Ready, in.Kind == Started, in.Kind == Restarted, in.Kind == Stopped,
		in.Kind == QRAsked && was.state != m.state, in.Kind == Released, in.Kind == RetryDue && was.state == Errored:
		m.failures = 0
	case m.state == DisconnectedRecoverable && was.state != DisconnectedRecoverable,
		m.state == Errored && was.state != Errored,
		in.Kind == Crashed, in.Kind == LoginReconnect, in.Kind == SocketLost && m.state == was.state:
		m.failures++
	}
}

// remember keeps the last failure for people, also after the session has recovered.
func (m *Machine) remember(in Input, was Machine) {
	failed := m.state == DisconnectedRecoverable || m.state == Errored || m.state == AuthFailure ||
		m.state == DisconnectedLogout || m.state == DisconnectedBanned || in.Kind == Crashed
	if !failed || (m.state == was.state && m.cause == was.cause && in.Kind != Crashed) {
		return
	}
	m.lastCause, m.lastError = m.cause, in.Detail
}

// arm sets the one timer. Rows that only note something leave it running.
func (m *Machine) arm(now time.Time, in Input, was Machine, opened, acted bool) {
	entered := m.state != was.state || m.cause != was.cause || acted
	switch m.state {
	case Initializing, Reconnecting:
		switch {
		case in.Kind == Crashed:
			m.timer = Timer{now.Add(m.policy.Backoff(m.failures, m.seed)), RetryDue}
		case in.Kind == Restored, in.Kind == Released:
			m.timer = Timer{orAfter(in.Until, now, 0), RetryDue}
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
		case in.Kind == QRIssued: // a run that issued no code at all
			m.timer = Timer{now.Add(m.policy.ConnectDeadline), DeadlinePassed}
		}
	case DisconnectedRecoverable:
		if entered {
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
				m.timer = Timer{m.until, RetryDue}
			}
		}
	default:
		m.timer = Timer{}
	}
}
