package session

// State is what a session is seen to be in. The ten names are part of the compatibility contract.
type State string

// The ten states.
const (
	NotInitialized          State = "NOT_INITIALIZED"          // nothing runs and nothing is scheduled
	Initializing            State = "INITIALIZING"             // starting without stored credentials
	Reconnecting            State = "RECONNECTING"             // credentials stored, coming back
	QRRequired              State = "QR_REQUIRED"              // waiting for a person to link the device
	Ready                   State = "READY"                    // logged in; can send
	AuthFailure             State = "AUTH_FAILURE"             // pairing failed; waits for a person
	DisconnectedRecoverable State = "DISCONNECTED_RECOVERABLE" // lost the link; a retry is scheduled
	DisconnectedLogout      State = "DISCONNECTED_LOGOUT"      // unlinked from the phone, or taken over elsewhere
	DisconnectedBanned      State = "DISCONNECTED_BANNED"      // refused by WhatsApp
	Errored                 State = "ERROR"                    // gave up; a person or a cool-down restarts it
)

// States lists all ten states in the order of a session's life.
func States() []State {
	return []State{
		NotInitialized, Initializing, Reconnecting, QRRequired, Ready,
		AuthFailure, DisconnectedRecoverable, DisconnectedLogout, DisconnectedBanned, Errored,
	}
}

// Transitional reports the states that must be left by themselves: each has a deadline or a retry.
func (s State) Transitional() bool {
	return s == Initializing || s == Reconnecting || s == DisconnectedRecoverable
}

// NeedsQR is the compatibility contract's needs_qr: a person has to link the device.
func (s State) NeedsQR() bool {
	return s == QRRequired || s == AuthFailure || s == DisconnectedLogout
}

// Desired is what people asked of a session. It is stored; the state is only observed.
type Desired string

// The three things that can be asked.
const (
	DesiredRun    Desired = "run"
	DesiredStop   Desired = "stop"
	DesiredDelete Desired = "delete"
)

// Cause is the machine-readable reason beside a state. The set is closed.
type Cause string

// The causes, with the state each belongs to.
const (
	CauseNone              Cause = "none"               // NOT_INITIALIZED: never started
	CauseStopped           Cause = "stopped"            // NOT_INITIALIZED: stopped by a person
	CauseUnattended        Cause = "pairing_unattended" // NOT_INITIALIZED: the codes ran out and nobody was asking
	CauseStarting          Cause = "starting"           // INITIALIZING, RECONNECTING: asked to start
	CauseRestoring         Cause = "restoring"          // RECONNECTING: brought back when the process started
	CausePairing           Cause = "pairing"            // QR_REQUIRED: a code waits; RECONNECTING: scanned, logging in
	CausePasskey           Cause = "passkey_required"   // QR_REQUIRED: WhatsApp wants a passkey confirmation
	CausePairFailed        Cause = "pair_failed"        // AUTH_FAILURE
	CauseConnected         Cause = "connected"          // READY
	CauseLoginReconnect    Cause = "login_reconnect"    // RECONNECTING: the server asked for a new login (515)
	CauseSocketLost        Cause = "socket_lost"        // DISCONNECTED_RECOVERABLE and the RECONNECTING after it, as all below to crashed
	CauseKeepAliveStale    Cause = "keepalive_stale"    // pings unanswered for longer than the limit
	CauseConnectDeadline   Cause = "connect_deadline"   // connected, but the login did not finish in time
	CauseConnectRefused    Cause = "connect_refused"    // the server answered with a refusal that may pass
	CauseServerUnavailable Cause = "server_unavailable" // 5xx from the server
	CauseProxyFailed       Cause = "proxy_failed"       // the session's proxy refused or cannot be used; nothing connects without it
	CauseAckOverdue        Cause = "ack_overdue"        // a send was not acknowledged while the socket looked alive
	CauseStoreUnavailable  Cause = "store_unavailable"  // the database did not answer; never read as "no device"
	CauseCrashed           Cause = "crashed"            // a bug; the supervisor restarted the session
	CauseLoggedOut         Cause = "logged_out"         // DISCONNECTED_LOGOUT: unlinked
	CauseReplaced          Cause = "replaced"           // DISCONNECTED_LOGOUT: another process took the stream
	CauseBanned            Cause = "banned"             // DISCONNECTED_BANNED
	CauseTemporaryBan      Cause = "temporary_ban"      // DISCONNECTED_BANNED, until a time
	CauseClientOutdated    Cause = "client_outdated"    // ERROR: WhatsApp refuses this version of the library
	CauseAttemptsExhausted Cause = "attempts_exhausted" // ERROR: the configured number of retries is spent
	CauseQuarantined       Cause = "quarantined"        // ERROR: more restarts than the restart intensity allows
)

// Causes lists the closed set, in the order above.
func Causes() []Cause {
	return []Cause{
		CauseNone, CauseStopped, CauseUnattended, CauseStarting, CauseRestoring, CausePairing, CausePasskey,
		CausePairFailed, CauseConnected, CauseLoginReconnect, CauseSocketLost, CauseKeepAliveStale,
		CauseConnectDeadline, CauseConnectRefused, CauseServerUnavailable, CauseProxyFailed, CauseAckOverdue, CauseStoreUnavailable,
		CauseCrashed, CauseLoggedOut, CauseReplaced, CauseBanned, CauseTemporaryBan, CauseClientOutdated,
		CauseAttemptsExhausted, CauseQuarantined,
	}
}
