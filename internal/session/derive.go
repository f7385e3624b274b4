package session

import "time"

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
