package session

// State is the observed state of a session. The compatibility contract pins the ten names.
type State string

// The ten states.
const (
	NotInitialized          State = "NOT_INITIALIZED"          // nothing runs and nothing is scheduled
	Initializing            State = "INITIALIZING"             // starting without stored credentials
	Reconnecting            State = "RECONNECTING"             // credentials are stored; connecting and logging in
	QRRequired              State = "QR_REQUIRED"              // waiting for a person to link the device
	Ready                   State = "READY"                    // logged in; can send
	AuthFailure             State = "AUTH_FAILURE"             // pairing failed; waits for a person
	DisconnectedRecoverable State = "DISCONNECTED_RECOVERABLE" // lost the connection; a retry is scheduled
	DisconnectedLogout      State = "DISCONNECTED_LOGOUT"      // unlinked from the phone, or taken over elsewhere
	DisconnectedBanned      State = "DISCONNECTED_BANNED"      // refused by WhatsApp
	Errored                 State = "ERROR"                    // gave up; a person or the cool-down starts it again
)

// States lists all ten states in the order of a session's life.
func States() []State {
	return []State{
		NotInitialized, Initializing, Reconnecting, QRRequired, Ready,
		AuthFailure, DisconnectedRecoverable, DisconnectedLogout, DisconnectedBanned, Errored,
	}
}

// Transitional reports whether a session leaves the state by itself, because a deadline or a retry is scheduled.
func (s State) Transitional() bool {
	return s == Initializing || s == Reconnecting || s == DisconnectedRecoverable
}

// NeedsQR reports whether a person has to link the device. It is needs_qr of the compatibility contract.
func (s State) NeedsQR() bool {
	return s == QRRequired || s == AuthFailure || s == DisconnectedLogout
}

// Desired is what people want of a session. It is stored before it is carried out.
type Desired string

// The desired states.
const (
	DesiredRun    Desired = "run"
	DesiredStop   Desired = "stop"
	DesiredDelete Desired = "delete"
)

// Cause is the machine-readable reason for a state. The set is closed.
type Cause string

// The causes, with the states that have them. The causes from socket_lost to crashed belong to DISCONNECTED_RECOVERABLE
// (crashed: INITIALIZING and RECONNECTING), and to the INITIALIZING or RECONNECTING of the next attempt.
const (
	CauseNone              Cause = "none"               // NOT_INITIALIZED: never started
	CauseStopped           Cause = "stopped"            // NOT_INITIALIZED: stopped by a person
	CauseUnattended        Cause = "pairing_unattended" // NOT_INITIALIZED: the codes ran out and nobody watched
	CauseStarting          Cause = "starting"           // INITIALIZING, RECONNECTING: a start was asked for
	CauseRestoring         Cause = "restoring"          // RECONNECTING: restored when the process started
	CausePairing           Cause = "pairing"            // QR_REQUIRED: a code is on show; RECONNECTING: scanned, logging in
	CausePasskey           Cause = "passkey_required"   // QR_REQUIRED: WhatsApp wants a passkey confirmation
	CausePairFailed        Cause = "pair_failed"        // AUTH_FAILURE
	CauseConnected         Cause = "connected"          // READY
	CauseLoginReconnect    Cause = "login_reconnect"    // INITIALIZING, RECONNECTING: the server asked for a new login (515)
	CauseSocketLost        Cause = "socket_lost"        // the connection was lost
	CauseKeepAliveStale    Cause = "keepalive_stale"    // pings unanswered for longer than the limit
	CauseConnectDeadline   Cause = "connect_deadline"   // no code or login in time
	CauseConnectRefused    Cause = "connect_refused"    // the server refused the connection, perhaps for a while only
	CauseServerUnavailable Cause = "server_unavailable" // 5xx from the server
	CauseProxyFailed       Cause = "proxy_failed"       // the session's proxy cannot be used; nothing connects without it
	CauseUntrustedServer   Cause = "untrusted_server"   // the certificate of the server is not WhatsApp's
	CauseAckOverdue        Cause = "ack_overdue"        // a send was not acknowledged although the socket looked alive
	CauseStoreUnavailable  Cause = "store_unavailable"  // the database did not answer; never treated as "no device"
	CauseCrashed           Cause = "crashed"            // a bug; the supervisor restarted the session
	CauseLoggedOut         Cause = "logged_out"         // DISCONNECTED_LOGOUT: unlinked
	CauseReplaced          Cause = "replaced"           // DISCONNECTED_LOGOUT: another process connected with the same credentials
	CauseBanned            Cause = "banned"             // DISCONNECTED_BANNED
	CauseTemporaryBan      Cause = "temporary_ban"      // DISCONNECTED_BANNED, until a time
	CauseClientOutdated    Cause = "client_outdated"    // ERROR: WhatsApp refuses this version of the library
	CauseAttemptsExhausted Cause = "attempts_exhausted" // ERROR: all configured attempts failed
	CauseQuarantined       Cause = "quarantined"        // ERROR: more restarts than the restart intensity allows
)

// Causes lists all causes, in the order above.
func Causes() []Cause {
	return []Cause{
		CauseNone, CauseStopped, CauseUnattended, CauseStarting, CauseRestoring, CausePairing, CausePasskey,
		CausePairFailed, CauseConnected, CauseLoginReconnect, CauseSocketLost, CauseKeepAliveStale,
		CauseConnectDeadline, CauseConnectRefused, CauseServerUnavailable, CauseProxyFailed, CauseUntrustedServer, CauseAckOverdue, CauseStoreUnavailable,
		CauseCrashed, CauseLoggedOut, CauseReplaced, CauseBanned, CauseTemporaryBan, CauseClientOutdated,
		CauseAttemptsExhausted, CauseQuarantined,
	}
}
