package session

import "time"

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

func (m Machine) moreCodes() bool { return len(m.codes) > 1 }

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
