package session

import "time"

// Rule is one row of the table: in a state of From, if the input is On and When holds, the machine goes to To with
// Cause, and the effects are Do.
type Rule struct {
	From  []State
	On    InputKind
	When  *Guard       // nil: always. The machine takes the first row whose condition holds.
	To    State        // "": keep the state
	Cause Cause        // "": keep the cause
	Do    []EffectKind // in order
	Why   string       // for docs/state-machine.md
}

// Ignored lists states and inputs that change nothing together, with the reason.
type Ignored struct {
	From []State
	On   []InputKind
	Why  string
}

// Guard is a named condition of a row.
type Guard struct {
	Name  string
	holds func(m Machine, now time.Time, in Input) bool
}

var (
	withDevice = &Guard{"credentials stored", func(m Machine, _ time.Time, _ Input) bool { return m.hasDevice }}
	attended   = &Guard{"somebody asked lately", func(m Machine, now time.Time, _ Input) bool { return m.attended(now) }}
	abandoned  = &Guard{"no credentials, nobody asked lately", func(m Machine, now time.Time, _ Input) bool {
		return !m.hasDevice && !m.attended(now)
	}}
	spent = &Guard{"attempts spent", func(m Machine, _ time.Time, _ Input) bool {
		return m.policy.MaxAttempts > 0 && m.failures+1 >= m.policy.MaxAttempts
	}}
	hurrying = &Guard{"first in a row", func(m Machine, now time.Time, _ Input) bool { return m.mayHurry(now) }}
	linking  = &Guard{"scanned, first in a row", func(m Machine, now time.Time, _ Input) bool {
		return m.cause == CausePairing && m.mayHurry(now)
	}}
	attendedHurrying = &Guard{"first in a row, somebody asked lately", func(m Machine, now time.Time, _ Input) bool {
		return m.attended(now) && m.mayHurry(now)
	}}
	tooSoon = &Guard{"too soon after a failure", func(m Machine, now time.Time, _ Input) bool {
		return now.Before(m.askedRestsUntil())
	}}
	tooSoonDevice = &Guard{"too soon after a failure, credentials stored", func(m Machine, now time.Time, in Input) bool {
		return m.hasDevice && tooSoon.holds(m, now, in)
	}}
	storeFails    = &Guard{"the database fails", func(_ Machine, _ time.Time, in Input) bool { return in.StoreFails }}
	awaitingStore = &Guard{"waits for the database", func(m Machine, _ time.Time, _ Input) bool { return m.cause == CauseStoreUnavailable }}
	serverError   = &Guard{"5xx", func(_ Machine, _ time.Time, in Input) bool { return in.Code >= 500 }}
	serverSpent   = &Guard{"5xx, attempts spent", func(m Machine, now time.Time, in Input) bool {
		return serverError.holds(m, now, in) && spent.holds(m, now, in)
	}}
	codeOnShow = &Guard{"a code is on show", func(m Machine, _ time.Time, _ Input) bool { return m.qr.Code != "" }}
	usedUp     = &Guard{"the codes are not new any more", func(m Machine, now time.Time, _ Input) bool {
		return m.qr.Code != "" && now.Sub(m.offeredAt) > freshFor
	}}
	moreCodes      = &Guard{"another code left", func(m Machine, _ time.Time, _ Input) bool { return m.moreCodes() }}
	outdated       = &Guard{"version was refused", func(m Machine, _ time.Time, _ Input) bool { return m.cause == CauseClientOutdated }}
	outdatedDevice = &Guard{"version was refused, credentials stored", func(m Machine, now time.Time, in Input) bool {
		return m.hasDevice && outdated.holds(m, now, in)
	}}
	tempBan = &Guard{"temporary", func(m Machine, _ time.Time, _ Input) bool { return m.cause == CauseTemporaryBan }}
)

func states(s ...State) []State { return s }

var (
	running   = states(Initializing, Reconnecting, QRRequired, Ready) // a client run is open, or soon will be
	opening   = states(Initializing, Reconnecting)
	resting   = states(NotInitialized, AuthFailure, DisconnectedRecoverable, DisconnectedLogout, DisconnectedBanned, Errored)
	startable = states(NotInitialized, AuthFailure, DisconnectedLogout, Errored) // Started and QRAsked start the session
)

var (
	open   = []EffectKind{OpenSocket}
	closed = []EffectKind{CloseSocket}
	reopen = []EffectKind{CloseSocket, OpenSocket}
)

// startRules are the rows of a start: to RECONNECTING if credentials are stored, and else to INITIALIZING.
func startRules(from []State, on InputKind, cause Cause, do []EffectKind, why string) []Rule {
	return []Rule{
		{From: from, On: on, When: withDevice, To: Reconnecting, Cause: cause, Do: do, Why: why},
		{From: from, On: on, To: Initializing, Cause: cause, Do: do, Why: why},
	}
}

// when limits the two rows of a start: withDevice is the condition for a session whose credentials are stored.
func when(withDevice, without *Guard, rules []Rule) []Rule {
	rules[0].When, rules[1].When = withDevice, without
	return rules
}

// failureRules are the rows of a failure: retry with backoff, or ERROR when all configured attempts have failed.
func failureRules(from []State, on InputKind, cause Cause, why string) []Rule {
	return []Rule{
		{From: from, On: on, When: spent, To: Errored, Cause: CauseAttemptsExhausted, Do: closed, Why: "gives up until a person or the cool-down starts the session again"},
		{From: from, On: on, To: DisconnectedRecoverable, Cause: cause, Do: closed, Why: why},
	}
}

// Table returns the rows of the machine. Every pair of state and input is in a row or in Ignores.
func Table() []Rule { return table }

// Ignores returns the pairs of state and input that change nothing.
func Ignores() []Ignored { return ignores }

var table = concat(
	startRules(startable, Started, CauseStarting, open, "a person starts the session"),
	[]Rule{
		{From: states(NotInitialized), On: Restored, When: withDevice, To: Reconnecting, Cause: CauseRestoring, Why: "after the start of the process, the session reconnects when its turn comes"},
		{From: states(NotInitialized), On: Restored, Cause: CauseUnattended, Why: "no credentials; the next request for a code starts the session"},
	},
	startRules(append(states(DisconnectedRecoverable, DisconnectedBanned), startable...), Restarted, CauseStarting, open, "a person's restart works from every state"),
	startRules(running, Restarted, CauseStarting, reopen, "a person's restart works from every state"),
	[]Rule{
		{From: append(running[:4:4], resting...), On: Stopped, To: NotInitialized, Cause: CauseStopped, Do: closed, Why: "a person's stop works from every state"},
		{From: append(running[:4:4], resting...), On: LogoutDue, To: DisconnectedLogout, Cause: CauseLoggedOut, Do: []EffectKind{Unlink}, Why: "only a person's logout deletes credentials"},
	},
	when(tooSoonDevice, tooSoon, startRules(startable, QRAsked, CauseStarting, nil, "connects when its backoff is over: a program that asks in a loop must not connect in a loop")),
	startRules(startable, QRAsked, CauseStarting, open, "a request for a code links the device again"),
	[]Rule{
		{From: append(running[:4:4], DisconnectedRecoverable, DisconnectedBanned), On: QRAsked, Why: "only notes the time: the pairing is attended"},
		{From: states(Initializing, Reconnecting, QRRequired, DisconnectedRecoverable), On: QRWatched, Why: "only notes the time: the pairing is attended"},
	},
	pairingRows, connectionRows, refusalRows, timerRows, supervisionRows,
)

var pairingRows = concat(
	[]Rule{
		{From: states(Initializing, Reconnecting, QRRequired), On: QRIssued, To: QRRequired, Cause: CausePairing, Why: "shows the code"},
		{From: states(QRRequired), On: QRRefreshed, When: codeOnShow, To: QRRequired, Cause: CausePairing, Why: "the secret in the code was replaced, because WhatsApp has retired it or a pairing code was entered: shows the same code with the new one, valid as long as before"},
		{From: states(Initializing, QRRequired), On: PasskeyRequired, To: QRRequired, Cause: CausePasskey, Why: "the QR is no longer valid; a person has to use the account's passkey"},
		{From: states(QRRequired), On: PasskeyAnswered, To: QRRequired, Cause: CausePasskey, Why: "a person compares the code with the one on the phone and confirms"},
		{From: states(Initializing, Reconnecting, QRRequired), On: Scanned, To: Reconnecting, Cause: CausePairing, Why: "the code is used and no longer shown"},
		{From: states(Initializing, Reconnecting, QRRequired), On: Paired, To: Reconnecting, Cause: CausePairing, Why: "the credentials are stored; the login follows"},
		{From: states(Initializing, Reconnecting, QRRequired), On: PairFailed, To: AuthFailure, Cause: CausePairFailed, Do: closed, Why: "waits for a person"},
		{From: opening, On: LoginReconnect, When: hurrying, Cause: "", Do: reopen, Why: "part of pairing: reconnects at once"},
		{From: states(Ready), On: LoginReconnect, When: hurrying, To: Reconnecting, Cause: CauseLoginReconnect, Do: reopen, Why: "the server moves the connection: reconnects at once"},
		{From: states(QRRequired), On: LoginReconnect, When: attendedHurrying, To: Initializing, Cause: CauseLoginReconnect, Do: reopen, Why: "reconnects for new codes"},
		{From: states(QRRequired), On: LoginReconnect, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "the next request for a code starts the session"},
	},
	failureRules(running, LoginReconnect, CauseSocketLost, "the second in a row: retry with backoff"),
	[]Rule{
		{From: states(QRRequired), On: FreshAsked, When: usedUp, To: QRRequired, Cause: CausePairing, Do: reopen, Why: "a pairing code ends with the connection: reconnects, so that the code can be entered for the time of a new one"},
		{From: states(QRRequired), On: QRExpired, When: moreCodes, To: QRRequired, Cause: CausePairing, Why: "shows the next code"},
		{From: states(QRRequired), On: CodesExhausted, When: attended, To: QRRequired, Cause: CausePairing, Do: reopen, Why: "reconnects for new codes"},
		{From: states(QRRequired), On: CodesExhausted, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "nobody watches; the next request for a code starts the session again"},
	},
)

var connectionRows = concat(
	[]Rule{
		{From: states(Initializing, Reconnecting, QRRequired), On: SocketUp, To: Ready, Cause: CauseConnected, Why: "logged in; the failures are forgotten when READY has lasted for a minute"},
		{From: states(Reconnecting), On: SocketLost, When: linking, Cause: "", Do: reopen, Why: "the server closes the connection after pairing: reconnects at once"},
		{From: states(QRRequired), On: SocketLost, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "nobody watches; the next request for a code starts the session again"},
	},
	failureRules(running, SocketLost, CauseSocketLost, "retry with backoff"),
	failureRules(running, KeepAliveStale, CauseKeepAliveStale, "the socket is half-open: retry with backoff"),
	failureRules(states(Ready), AckOverdue, CauseAckOverdue, "the connection looks alive but is not: retry with backoff; the message keeps its id"),
	[]Rule{
		{From: states(Ready), On: SendRestricted, Why: "stays READY: only this send fails, and the status says how long the restriction lasts"},
	},
)

var refusalRows = concat(
	[]Rule{
		{From: running, On: LoggedOut, To: DisconnectedLogout, Cause: CauseLoggedOut, Do: closed, Why: "stops; session, outbox and webhooks stay; a request for a code links the device again"},
		{From: running, On: Replaced, To: DisconnectedLogout, Cause: CauseReplaced, Do: closed, Why: "stops; otherwise two processes would take the connection from each other again and again"},
		{From: running, On: Banned, To: DisconnectedBanned, Cause: CauseBanned, Do: closed, Why: "stops; only a person's restart tries again"},
		{From: running, On: TempBanned, To: DisconnectedBanned, Cause: CauseTemporaryBan, Do: closed, Why: "stops; one attempt when the ban is over"},
		{From: running, On: ClientOutdated, To: Errored, Cause: CauseClientOutdated, Do: closed, Why: "WhatsApp refuses the client version: waits until WhatsApp accepts one, or for the cool-down"},
		{From: running, On: ConnectRefused, When: serverSpent, To: Errored, Cause: CauseAttemptsExhausted, Do: closed, Why: "gives up until a person or the cool-down starts the session again"},
		{From: running, On: ConnectRefused, When: serverError, To: DisconnectedRecoverable, Cause: CauseServerUnavailable, Do: closed, Why: "retry with backoff"},
	},
	failureRules(running, ConnectRefused, CauseConnectRefused, "retry with backoff"),
	failureRules(running, ProxyFailed, CauseProxyFailed, "retry with backoff; never without the proxy, because that would reveal the IP address that it hides"),
	failureRules(running, ServerUntrusted, CauseUntrustedServer, "retry with backoff; the session tells such a server nothing"),
	[]Rule{
		{From: running, On: StoreFailed, To: DisconnectedRecoverable, Cause: CauseStoreUnavailable, Do: closed, Why: "waits for the database, however often; never treated as a missing device, because that would delete a pairing"},
	},
)

var timerRows = concat(
	[]Rule{
		{From: states(DisconnectedRecoverable, Initializing), On: RetryDue, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Why: "nobody watches; the next request for a code starts the session"},
		{From: append(opening[:2:2], DisconnectedRecoverable, DisconnectedBanned, Errored), On: RetryDue, When: storeFails, To: DisconnectedRecoverable, Cause: CauseStoreUnavailable, Why: "waits without a connection: what WhatsApp sends could not be stored"},
		{From: states(DisconnectedRecoverable), On: StoreRecovered, When: awaitingStore, Why: "the database works again: connects when its turn comes"},
		{From: states(Ready), On: Stabilized, Why: "READY has lasted: the failures are forgotten"},
		{From: states(DisconnectedBanned), On: RetryDue, When: tempBan, To: Reconnecting, Cause: CauseTemporaryBan, Do: open, Why: "one attempt when the ban is over"},
	},
	startRules(states(DisconnectedRecoverable), RetryDue, "", open, "the next attempt"),
	startRules(states(Errored), RetryDue, CauseStarting, open, "the cool-down is over"),
	when(outdatedDevice, outdated, startRules(states(Errored), Released, CauseStarting, nil, "WhatsApp accepts a client version again: connects when its turn comes")),
	[]Rule{
		{From: opening, On: RetryDue, Do: open, Why: "its turn to connect, after a crash or the start of the process"},
		{From: states(QRRequired), On: DeadlinePassed, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "nobody watches; the next request for a code starts the session again"},
	},
	failureRules(append(states(QRRequired), opening...), DeadlinePassed, CauseConnectDeadline, "no answer in time is a failure: retry with backoff"),
)

var supervisionRows = concat(
	startRules(running, Crashed, CauseCrashed, nil, "the actor restarts at once and reconnects after its backoff"),
	[]Rule{
		{From: append(running[:4:4], resting...), On: Quarantined, To: Errored, Cause: CauseQuarantined, Do: closed, Why: "a person or the cool-down starts the session again"},
	},
)

var ignores = []Ignored{
	{running, []InputKind{Started, Restored}, "the session runs already"},
	{states(DisconnectedRecoverable), []InputKind{Started, Restored}, "a retry is scheduled already"},
	{states(DisconnectedBanned), []InputKind{Started, Restored}, "WhatsApp refuses the number; only a person's restart or the end of a temporary ban leads to another attempt"},
	{states(AuthFailure, DisconnectedLogout, Errored), []InputKind{Restored}, "the session waits for a person or the cool-down, also after a restart of the process"},
	{states(NotInitialized, Ready, AuthFailure, DisconnectedLogout, DisconnectedBanned, Errored), []InputKind{QRWatched}, "reading the code never starts a session"},
	{resting, []InputKind{
		QRIssued, QRRefreshed, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed, LoginReconnect, SocketUp, SocketLost, KeepAliveStale, LoggedOut,
		Replaced, TempBanned, Banned, ClientOutdated, ConnectRefused, ProxyFailed, ServerUntrusted, StoreFailed, AckOverdue, SendRestricted,
	}, "no client runs in this state: the input comes from a run that has ended"},
	{states(Ready), []InputKind{QRIssued, QRRefreshed, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed}, "a linked device is not paired again"},
	{states(Reconnecting), []InputKind{PasskeyRequired, PasskeyAnswered}, "a linked device is not paired again"},
	{states(Initializing, Reconnecting, QRRequired), []InputKind{QRRefreshed}, "no code is on show: it was used, or none was issued yet"},
	{states(Initializing), []InputKind{PasskeyAnswered}, "WhatsApp has not asked for a passkey yet"},
	{append(running[:4:4], resting...), []InputKind{FreshAsked}, "the codes are new, or no code is on show; QRAsked comes before it"},
	{states(Ready), []InputKind{SocketUp}, "the session is connected already"},
	{opening, []InputKind{AckOverdue, SendRestricted}, "nothing is sent before READY"},
	{states(QRRequired), []InputKind{AckOverdue, SendRestricted}, "nothing is sent before READY"},
	{append(resting[:6:6], Initializing, Reconnecting, Ready), []InputKind{QRExpired, CodesExhausted}, "no code is on show in this state"},
	{states(NotInitialized, QRRequired, Ready, AuthFailure, DisconnectedLogout), []InputKind{RetryDue}, "no retry is scheduled in this state"},
	{append(resting[:6:6], Ready), []InputKind{DeadlinePassed}, "no deadline runs in this state"},
	{resting, []InputKind{Crashed}, "no run was open: the restarted actor keeps its state and arms its timer again"},
	{states(QRRequired), []InputKind{QRExpired}, "when no code is left, the input becomes CodesExhausted"},
	{append(running[:4:4], resting...), []InputKind{Released}, "the session did not wait for a client version"},
	{states(DisconnectedBanned), []InputKind{RetryDue}, "a ban without an end leads to no retry"},
	{append(running[:4:4], resting...), []InputKind{StoreRecovered}, "the session does not wait for the database"},
	{append(resting[:6:6], Initializing, Reconnecting, QRRequired), []InputKind{Stabilized}, "not READY"},
}

func concat(groups ...[]Rule) []Rule {
	var all []Rule
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
