package session

import "time"

// Incarnation numbers the runs of a WhatsApp client within a session, from 1. Zero is no run.
type Incarnation uint64

// InputKind names something that happened. Inputs are in the past tense.
type InputKind string

// The inputs. The first group comes from people, the second from a client run and carries its incarnation, the
// third from the session's own timer and its supervisor.
const (
	Started   InputKind = "Started"   // asked to run
	Restarted InputKind = "Restarted" // asked to drop whatever it does and begin again
	Stopped   InputKind = "Stopped"   // asked to stop
	LogoutDue InputKind = "LogoutDue" // asked to unlink the device and forget the credentials
	QRAsked   InputKind = "QRAsked"   // somebody wants a code; asking is how a person re-links
	QRWatched InputKind = "QRWatched" // somebody reads the code without asking for one: keeps a pairing attended
	Released  InputKind = "Released"  // what held the whole process back is over: a new version is accepted
	Restored  InputKind = "Restored"  // Until is its turn: the process started and the session should run

	QRIssued        InputKind = "QRIssued"        // Codes
	PasskeyRequired InputKind = "PasskeyRequired" // Passkey: the challenge
	PasskeyAnswered InputKind = "PasskeyAnswered" // Passkey: the code to confirm
	Scanned         InputKind = "Scanned"         // the code on show is used; nothing is stored yet
	Paired          InputKind = "Paired"          // Account; credentials are stored
	PairFailed      InputKind = "PairFailed"
	LoginReconnect  InputKind = "LoginReconnect" // stream error 515: part of pairing, or the server moves the session
	SocketUp        InputKind = "SocketUp"       // Account; logged in
	SocketLost      InputKind = "SocketLost"
	KeepAliveStale  InputKind = "KeepAliveStale"
	LoggedOut       InputKind = "LoggedOut"
	Replaced        InputKind = "Replaced"
	TempBanned      InputKind = "TempBanned" // Until
	Banned          InputKind = "Banned"
	ClientOutdated  InputKind = "ClientOutdated"
	ConnectRefused  InputKind = "ConnectRefused" // Code
	ProxyFailed     InputKind = "ProxyFailed"    // the session's proxy refused or could not be used
	StoreFailed     InputKind = "StoreFailed"
	AckOverdue      InputKind = "AckOverdue"
	SendRestricted  InputKind = "SendRestricted" // Until; error 463 on a send

	QRExpired      InputKind = "QRExpired"
	CodesExhausted InputKind = "CodesExhausted"
	RetryDue       InputKind = "RetryDue"
	DeadlinePassed InputKind = "DeadlinePassed"
	Crashed        InputKind = "Crashed"     // a bug; the supervisor has restarted the session
	Quarantined    InputKind = "Quarantined" // too many bugs; the supervisor has stopped the session
)

// Inputs lists every kind, in the order above.
func Inputs() []InputKind {
	return []InputKind{
		Started, Restarted, Stopped, LogoutDue, QRAsked, QRWatched, Released, Restored,
		QRIssued, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed, LoginReconnect, SocketUp, SocketLost, KeepAliveStale, LoggedOut,
		Replaced, TempBanned, Banned, ClientOutdated, ConnectRefused, ProxyFailed, StoreFailed, AckOverdue, SendRestricted,
		QRExpired, CodesExhausted, RetryDue, DeadlinePassed, Crashed, Quarantined,
	}
}

// FromClient reports the kinds that a client run posts. They are dropped unless they carry the live incarnation.
func (k InputKind) FromClient() bool {
	switch k {
	case QRIssued, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed, LoginReconnect, SocketUp, SocketLost, KeepAliveStale, LoggedOut,
		Replaced, TempBanned, Banned, ClientOutdated, ConnectRefused, ProxyFailed, StoreFailed, AckOverdue, SendRestricted:
		return true
	default:
		return false
	}
}

// Account is who a device belongs to, as WhatsApp names it. Empty fields are unknown.
type Account struct {
	JID      string // 5491100000000:12@s.whatsapp.net
	LID      string // 123456789:12@lid
	PushName string
}

// Phone is the account's number in digits, or "".
func (a Account) Phone() string {
	for i, r := range a.JID {
		if r < '0' || r > '9' {
			return a.JID[:i]
		}
	}
	return ""
}

// Input is one thing that happened, with what the kind says it carries.
type Input struct {
	Kind        InputKind
	Incarnation Incarnation // of the client run that posted it; 0 from people, timers and the supervisor

	Codes   []string  // QRIssued: the codes in the order of their validity
	Account Account   // Paired, SocketUp
	Until   time.Time // TempBanned, SendRestricted: zero is unknown; Restored: the turn to connect, zero is now
	Code    int       // ConnectRefused: the HTTP status or WhatsApp's failure code
	Detail  string    // one line for operators: no secrets, no message text, no numbers
	Stack   string    // Crashed
	Passkey *Passkey  // PasskeyRequired, PasskeyAnswered
}

// EffectKind names something to be done. Effects are in the imperative.
type EffectKind string

// The effects.
const (
	OpenSocket  EffectKind = "OpenSocket"  // open a client run with Effect.Incarnation
	CloseSocket EffectKind = "CloseSocket" // close the live client run and discard the client
	Unlink      EffectKind = "Unlink"      // tell WhatsApp the device is gone, close, and delete the credentials
)

// Effect is one thing to do, off the mailbox.
type Effect struct {
	Kind        EffectKind
	Incarnation Incarnation // OpenSocket: the run to open; CloseSocket, Unlink: the run to end
}
