package session

import "time"

// Rule is one row of the machine: in one of From, when On happens and When holds, go to To with Cause and do Do.
type Rule struct {
	From  []State
	On    InputKind
	When  *Guard       // nil: always. The first row that holds is taken.
	To    State        // "": stay
	Cause Cause        // "": keep
	Do    []EffectKind // in order
	Why   string
}

// Ignored is a pair of states and inputs that changes nothing, with the reason.
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
	firstReconnect = &Guard{"first in a row", func(m Machine, _ time.Time, _ Input) bool { return m.failures == 0 }}
	linking        = &Guard{"scanned, first in a row", func(m Machine, _ time.Time, _ Input) bool {
		return m.cause == CausePairing && m.failures == 0
	}}
	serverError = &Guard{"5xx", func(_ Machine, _ time.Time, in Input) bool { return in.Code >= 500 }}
	serverSpent = &Guard{"5xx, attempts spent", func(m Machine, now time.Time, in Input) bool {
		return serverError.holds(m, now, in) && spent.holds(m, now, in)
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
	running  = states(Initializing, Reconnecting, QRRequired, Ready)
	opening  = states(Initializing, Reconnecting)
	resting  = states(NotInitialized, AuthFailure, DisconnectedRecoverable, DisconnectedLogout, DisconnectedBanned, Errored)
	startful = states(NotInitialized, AuthFailure, DisconnectedLogout, Errored)
)

var (
	open   = []EffectKind{OpenSocket}
	closed = []EffectKind{CloseSocket}
	reopen = []EffectKind{CloseSocket, OpenSocket}
)

// begin is a start: where to depends on whether credentials are stored.
func begin(from []State, on InputKind, cause Cause, do []EffectKind, why string) []Rule {
	return []Rule{
		{From: from, On: on, When: withDevice, To: Reconnecting, Cause: cause, Do: do, Why: why},
		{From: from, On: on, To: Initializing, Cause: cause, Do: do, Why: why},
	}
}

// heldBack narrows a start to sessions that the refused version holds back.
func heldBack(rules []Rule) []Rule {
	rules[0].When, rules[1].When = outdatedDevice, outdated
	return rules
}

// failure is a lost link that backoff answers, until the configured attempts are spent.
func failure(from []State, on InputKind, cause Cause, why string) []Rule {
	return []Rule{
		{From: from, On: on, When: spent, To: Errored, Cause: CauseAttemptsExhausted, Do: closed, Why: "gives up until a person or the cool-down starts it again"},
		{From: from, On: on, To: DisconnectedRecoverable, Cause: cause, Do: closed, Why: why},
	}
}

// Table is the machine. Its rows and Ignores together name every pair of state and input.
func Table() []Rule { return table }

// Ignores lists the pairs that change nothing.
func Ignores() []Ignored { return ignores }

var table = concat(
	begin(startful, Started, CauseStarting, open, "a person asked for it to run"),
	[]Rule{
		{From: states(NotInitialized), On: Restored, When: withDevice, To: Reconnecting, Cause: CauseRestoring, Why: "reconnects when its turn comes after the start of the process"},
		{From: states(NotInitialized), On: Restored, Cause: CauseUnattended, Why: "no credentials; the next request for a code starts it"},
	},
	begin(append(states(DisconnectedRecoverable, DisconnectedBanned), startful...), Restarted, CauseStarting, open, "a person's restart works from every state"),
	begin(running, Restarted, CauseStarting, reopen, "a person's restart works from every state"),
	[]Rule{
		{From: append(running[:4:4], resting...), On: Stopped, To: NotInitialized, Cause: CauseStopped, Do: closed, Why: "a person's stop works from every state"},
		{From: append(running[:4:4], resting...), On: LogoutDue, To: DisconnectedLogout, Cause: CauseLoggedOut, Do: []EffectKind{Unlink}, Why: "only a person's logout deletes credentials"},
	},
	begin(startful, QRAsked, CauseStarting, open, "a request for a code links the device again"),
	[]Rule{
		{From: append(running[:4:4], DisconnectedRecoverable, DisconnectedBanned), On: QRAsked, Why: "only noted: somebody attends the pairing"},
		{From: states(Initializing, Reconnecting, QRRequired, DisconnectedRecoverable), On: QRWatched, Why: "only noted: somebody attends the pairing"},
	},
	pairingRows, connectionRows, refusalRows, timerRows, supervisionRows,
)

var pairingRows = concat(
	[]Rule{
		{From: states(Initializing, Reconnecting, QRRequired), On: QRIssued, To: QRRequired, Cause: CausePairing, Why: "serve the valid code"},
		{From: states(Initializing, QRRequired), On: PasskeyRequired, To: QRRequired, Cause: CausePasskey, Why: "the code on the screen is no longer valid; a person confirms"},
		{From: states(QRRequired), On: PasskeyAnswered, To: QRRequired, Cause: CausePasskey, Why: "a person compares the code with the phone's and confirms"},
		{From: states(Initializing, Reconnecting, QRRequired), On: Scanned, To: Reconnecting, Cause: CausePairing, Why: "the code is used and is not shown any more"},
		{From: states(Initializing, Reconnecting, QRRequired), On: Paired, To: Reconnecting, Cause: CausePairing, Why: "credentials are stored, the login follows"},
		{From: states(Initializing, Reconnecting, QRRequired), On: PairFailed, To: AuthFailure, Cause: CausePairFailed, Do: closed, Why: "waits for a person"},
		{From: opening, On: LoginReconnect, When: firstReconnect, Cause: "", Do: reopen, Why: "part of pairing: reconnects at once"},
		{From: states(Ready), On: LoginReconnect, To: Reconnecting, Cause: CauseLoginReconnect, Do: reopen, Why: "the server moves the session: reconnects at once"},
		{From: states(QRRequired), On: LoginReconnect, When: attended, To: Initializing, Cause: CauseLoginReconnect, Do: reopen, Why: "reconnects for new codes"},
		{From: states(QRRequired), On: LoginReconnect, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "the next request for a code starts it"},
	},
	failure(opening, LoginReconnect, CauseSocketLost, "the second in a row without a login: backs off"),
	[]Rule{
		{From: states(QRRequired), On: QRExpired, When: moreCodes, To: QRRequired, Cause: CausePairing, Why: "the next code replaces it on time"},
		{From: states(QRRequired), On: CodesExhausted, When: attended, To: QRRequired, Cause: CausePairing, Do: reopen, Why: "reconnects for new codes"},
		{From: states(QRRequired), On: CodesExhausted, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "the session stays; the next request for a code starts it again"},
	},
)

var connectionRows = concat(
	[]Rule{
		{From: states(Initializing, Reconnecting, QRRequired), On: SocketUp, To: Ready, Cause: CauseConnected, Why: "the count of failures starts from zero"},
		{From: states(Reconnecting), On: SocketLost, When: linking, Cause: "", Do: reopen, Why: "the server closes after pairing: reconnects at once"},
		{From: states(QRRequired), On: SocketLost, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "the session stays; the next request for a code starts it again"},
	},
	failure(running, SocketLost, CauseSocketLost, "retry with backoff"),
	failure(running, KeepAliveStale, CauseKeepAliveStale, "the socket is half-open: retry with backoff"),
	failure(states(Ready), AckOverdue, CauseAckOverdue, "the connection looks alive but is not: reconnect; the message keeps its id"),
	[]Rule{
		{From: states(Ready), On: SendRestricted, Why: "stays READY with a restriction: the send fails with its cause, the status says until when"},
	},
)

var refusalRows = concat(
	[]Rule{
		{From: running, On: LoggedOut, To: DisconnectedLogout, Cause: CauseLoggedOut, Do: closed, Why: "stops; session, outbox and webhooks stay; a request for a code links it again"},
		{From: running, On: Replaced, To: DisconnectedLogout, Cause: CauseReplaced, Do: closed, Why: "stops; two processes must not take the connection from each other in turn"},
		{From: running, On: Banned, To: DisconnectedBanned, Cause: CauseBanned, Do: closed, Why: "stops; only a person's restart tries again"},
		{From: running, On: TempBanned, To: DisconnectedBanned, Cause: CauseTemporaryBan, Do: closed, Why: "stops; tries once when the ban is over"},
		{From: running, On: ClientOutdated, To: Errored, Cause: CauseClientOutdated, Do: closed, Why: "WhatsApp refuses this version: waits until a version is accepted, or for the cool-down"},
		{From: running, On: ConnectRefused, When: serverSpent, To: Errored, Cause: CauseAttemptsExhausted, Do: closed, Why: "gives up until a person or the cool-down starts it again"},
		{From: running, On: ConnectRefused, When: serverError, To: DisconnectedRecoverable, Cause: CauseServerUnavailable, Do: closed, Why: "retry with backoff"},
	},
	failure(running, ConnectRefused, CauseConnectRefused, "retry with backoff"),
	failure(running, ProxyFailed, CauseProxyFailed, "never connects without the proxy: that would show the address that it hides"),
	failure(running, StoreFailed, CauseStoreUnavailable, "never taken for a missing device: that would delete a pairing"),
)

var timerRows = concat(
	[]Rule{
		{From: states(DisconnectedRecoverable, Initializing), On: RetryDue, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Why: "nobody waits for a code; the next request for a code starts it"},
		{From: states(DisconnectedBanned), On: RetryDue, When: tempBan, To: Reconnecting, Cause: CauseTemporaryBan, Do: open, Why: "one attempt when the ban is over"},
	},
	begin(states(DisconnectedRecoverable), RetryDue, "", open, "the next attempt"),
	begin(states(Errored), RetryDue, CauseStarting, open, "the cool-down is over"),
	heldBack(begin(states(Errored), Released, CauseStarting, nil, "a version is accepted again: connects when its turn comes")),
	[]Rule{
		{From: opening, On: RetryDue, Do: open, Why: "its turn, after a restart"},
		{From: states(QRRequired), On: DeadlinePassed, When: abandoned, To: NotInitialized, Cause: CauseUnattended, Do: closed, Why: "the session stays; the next request for a code starts it again"},
	},
	failure(append(states(QRRequired), opening...), DeadlinePassed, CauseConnectDeadline, "no answer in time is a failure too"),
)

var supervisionRows = concat(
	begin(running, Crashed, CauseCrashed, nil, "the actor restarts at once and reconnects after its backoff"),
	[]Rule{
		{From: append(running[:4:4], resting...), On: Quarantined, To: Errored, Cause: CauseQuarantined, Do: closed, Why: "a person or the cool-down releases it"},
	},
)

var ignores = []Ignored{
	{running, []InputKind{Started, Restored}, "it runs already"},
	{states(DisconnectedRecoverable), []InputKind{Started, Restored}, "a retry is scheduled already"},
	{states(DisconnectedBanned), []InputKind{Started, Restored}, "WhatsApp refuses the number; only a person's restart, or the end of a temporary ban, tries again"},
	{states(AuthFailure, DisconnectedLogout, Errored), []InputKind{Restored}, "it waits for a person or its cool-down, also across restarts of the process"},
	{states(NotInitialized, Ready, AuthFailure, DisconnectedLogout, DisconnectedBanned, Errored), []InputKind{QRWatched}, "reading never starts anything"},
	{resting, []InputKind{
		QRIssued, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed, LoginReconnect, SocketUp, SocketLost, KeepAliveStale, LoggedOut,
		Replaced, TempBanned, Banned, ClientOutdated, ConnectRefused, ProxyFailed, StoreFailed, AckOverdue, SendRestricted,
	}, "no client runs in this state: the input is from a run that has ended"},
	{states(Ready), []InputKind{QRIssued, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed}, "a linked device is not paired again"},
	{states(Reconnecting), []InputKind{PasskeyRequired, PasskeyAnswered}, "a linked device is not paired again"},
	{states(Initializing), []InputKind{PasskeyAnswered}, "no passkey was asked for yet"},
	{states(Ready), []InputKind{SocketUp}, "it is up already"},
	{opening, []InputKind{AckOverdue, SendRestricted}, "nothing is sent before READY"},
	{states(QRRequired), []InputKind{AckOverdue, SendRestricted}, "nothing is sent before READY"},
	{append(resting[:6:6], Initializing, Reconnecting, Ready), []InputKind{QRExpired, CodesExhausted}, "only a code that is shown expires"},
	{states(NotInitialized, QRRequired, Ready, AuthFailure, DisconnectedLogout), []InputKind{RetryDue}, "no retry is scheduled in this state"},
	{append(resting[:6:6], Ready), []InputKind{DeadlinePassed}, "no deadline runs in this state"},
	{resting, []InputKind{Crashed}, "nothing was connected: the restarted actor stays in its state and arms its timer again"},
	{states(QRRequired), []InputKind{QRExpired}, "without another code the input is CodesExhausted"},
	{append(running[:4:4], resting...), []InputKind{Released}, "it was not held back by a refused version"},
	{states(DisconnectedBanned), []InputKind{RetryDue}, "a ban without an end is not retried"},
}

func concat(groups ...[]Rule) []Rule {
	var all []Rule
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
