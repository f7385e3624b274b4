package metrics

import (
	"slices"
	"strconv"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// outcomeAcked is the outcome of a send that WhatsApp's server acknowledged.
// The other outcomes are error codes.
const outcomeAcked = "server_ack"

// outcomeDone is the outcome of a verb that succeeded.
const outcomeDone = "done"

// other stands for a value outside a label's closed set. Such a value is a bug
// of the caller, but it must not add a series of its own.
const other = "other"

// SessionChanged notes that a session entered a state for a cause. The first
// call makes the session known. A call with the same state and cause counts nothing.
func (m *Metrics) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	state, cause = closed(state, session.States()), closed(cause, session.Causes())
	p, changed := m.sessions.set(id, state, cause)
	if !changed {
		return
	}
	m.transitions.WithLabelValues(string(state), string(cause)).Inc()
	if p.before != "" {
		m.stateTime.WithLabelValues(string(p.before)).Observe(p.in.Seconds())
	}
	if p.reconnects {
		m.reconnects.WithLabelValues(string(cause)).Inc()
	}
	switch {
	case p.took == 0:
	case state == session.Ready:
		m.connect.Observe(p.took.Seconds())
	case state == session.QRRequired:
		m.codeTime.Observe(p.took.Seconds())
	}
}

// SessionRemoved notes that a session is no longer held by this process.
func (m *Metrics) SessionRemoved(id session.ID) { m.sessions.remove(id) }

// SessionRestarted notes that a session crashed, and that its supervisor
// restarts it or puts it in quarantine.
func (m *Metrics) SessionRestarted(cause session.Cause) {
	m.restarts.WithLabelValues(string(closed(cause, session.Causes()))).Inc()
}

// QRRequest notes how a request for a QR ended and how long it took.
func (m *Metrics) QRRequest(outcome session.QROutcome, wait time.Duration) {
	outcome = closed(outcome, session.QROutcomes())
	m.qrRequests.WithLabelValues(string(outcome)).Inc()
	if outcome == session.OutcomeQR {
		// The other outcomes measure the caller's patience, not our speed.
		m.qrWait.Observe(wait.Seconds())
	}
}

// VerbDone notes that a session's client has carried a verb out, or that the
// verb was refused. The code is empty if it succeeded. Sends also have series
// of their own.
func (m *Metrics) VerbDone(verb string, code session.Code, took time.Duration) {
	verb = closed(verb, verbNames())
	outcome := outcomeDone
	if code != "" {
		outcome = string(closed(code, codes()))
	}
	m.verbs.WithLabelValues(verb, outcome).Inc()
	if code == "" {
		m.verbTime.WithLabelValues(verb).Observe(took.Seconds())
	}
	if verb != message.VerbSend {
		return
	}
	if code == "" {
		outcome = outcomeAcked
		m.sendAck.Observe(took.Seconds())
	}
	m.sends.WithLabelValues(outcome).Inc()
}

// HTTPRequest notes one answered request. The route is its template, such as
// /v1/sessions/:id, never the path, and empty when no route matched.
func (m *Metrics) HTTPRequest(route, method string, code int, took time.Duration) {
	if route == "" {
		route = "unmatched"
	}
	status := other
	if code >= 100 && code <= 599 {
		status = strconv.Itoa(code)
	}
	m.httpRequests.WithLabelValues(route, closed(method, methods()), status).Inc()
	m.httpDuration.WithLabelValues(route).Observe(took.Seconds())
}

// DeadLetter notes a message to an actor that no longer exists.
func (m *Metrics) DeadLetter() { m.deadLetters.Inc() }

// RestoreAdvanced notes how many sessions should come back after the start of
// the process, and how many of them are READY.
func (m *Metrics) RestoreAdvanced(wanted, ready int) {
	m.restore.WithLabelValues("wanted").Set(float64(wanted))
	m.restore.WithLabelValues("ready").Set(float64(ready))
}

// startAtZero makes the series exist before the first event. A counter that
// appears at 1 hides that event from rate() and so from alerts.
func (m *Metrics) startAtZero() {
	for _, outcome := range session.QROutcomes() {
		m.qrRequests.WithLabelValues(string(outcome))
	}
	m.restarts.WithLabelValues(string(session.CauseCrashed))
	for _, verb := range verbNames() {
		m.verbs.WithLabelValues(verb, outcomeDone)
	}
	m.sends.WithLabelValues(outcomeAcked)
	for _, code := range codes() {
		m.sends.WithLabelValues(string(code))
	}
	m.startMessages()
	m.RestoreAdvanced(0, 0)
}

// verbNames are the names of all verbs, of whatever subject.
func verbNames() []string { return slices.Concat(session.VerbNames(), message.VerbNames()) }

func closed[T ~string](value T, set []T) T {
	if slices.Contains(set, value) {
		return value
	}
	return other
}

func codes() []session.Code {
	docs := session.Codes()
	all := make([]session.Code, 0, len(docs))
	for _, doc := range docs {
		all = append(all, doc.Code)
	}
	return all
}

func methods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
}
