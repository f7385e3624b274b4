package session

import (
	"strings"
	"time"
)

// Incarnation is the number of a client run within its session, from 1. Zero means no run.
type Incarnation uint64

// InputKind names something that happened. The names are in the past tense.
type InputKind string

// The inputs. The first group comes from people and from the supervisor. The second group comes from a
// client run and carries its incarnation. The third group comes from the session's timer and its supervisor. The
// comments name the fields of Input that a kind carries.
const (
	Started   InputKind = "Started"   // a person starts the session
	Restarted InputKind = "Restarted" // a person restarts the session, in whatever state it is
	Stopped   InputKind = "Stopped"   // a person stops the session
	LogoutDue InputKind = "LogoutDue" // a person logs the session out: unlink the device and delete the credentials
	QRAsked   InputKind = "QRAsked"   // somebody asked for a code; this also links a session again
	// FreshAsked follows QRAsked: the caller needs codes that last as long as those of a new connection, for a pairing code
	// that is entered on the phone.
	FreshAsked InputKind = "FreshAsked"
	QRWatched  InputKind = "QRWatched" // somebody reads the code without asking for one; the pairing stays attended
	Released   InputKind = "Released"  // WhatsApp accepts a client version again. Until: when to connect
	Restored   InputKind = "Restored"  // the process started and the session should run. Until: when to connect
	// StoreRecovered: the database works again. Until: when to connect
	StoreRecovered InputKind = "StoreRecovered"

	QRIssued        InputKind = "QRIssued"        // Codes
	QRRefreshed     InputKind = "QRRefreshed"     // Codes: those of QRIssued with a new secret
	PasskeyRequired InputKind = "PasskeyRequired" // Passkey: the challenge
	PasskeyAnswered InputKind = "PasskeyAnswered" // Passkey: the code to confirm
	Scanned         InputKind = "Scanned"         // a phone scanned the code on show; no credentials are stored yet
	Paired          InputKind = "Paired"          // Account; credentials are stored
	PairFailed      InputKind = "PairFailed"
	LoginReconnect  InputKind = "LoginReconnect" // stream error 515: part of pairing, or the server moves the connection
	SocketUp        InputKind = "SocketUp"       // Account; logged in
	SocketLost      InputKind = "SocketLost"
	KeepAliveStale  InputKind = "KeepAliveStale"
	LoggedOut       InputKind = "LoggedOut"
	Replaced        InputKind = "Replaced"
	TempBanned      InputKind = "TempBanned" // Until
	Banned          InputKind = "Banned"
	ClientOutdated  InputKind = "ClientOutdated"
	ConnectRefused  InputKind = "ConnectRefused"  // Code
	ProxyFailed     InputKind = "ProxyFailed"     // the session's proxy refused the connection or cannot be used
	ServerUntrusted InputKind = "ServerUntrusted" // the certificate of the server is not WhatsApp's
	StoreFailed     InputKind = "StoreFailed"
	AckOverdue      InputKind = "AckOverdue"
	SendRestricted  InputKind = "SendRestricted" // Until; error 463 on a send

	QRExpired      InputKind = "QRExpired"
	CodesExhausted InputKind = "CodesExhausted"
	RetryDue       InputKind = "RetryDue"   // StoreFails
	Stabilized     InputKind = "Stabilized" // READY has lasted for Policy.StableAfter
	DeadlinePassed InputKind = "DeadlinePassed"
	Crashed        InputKind = "Crashed"     // a bug; the supervisor has restarted the session
	Quarantined    InputKind = "Quarantined" // too many bugs; the supervisor has stopped the session
)

// Inputs lists every kind, in the order above.
func Inputs() []InputKind {
	return []InputKind{
		Started, Restarted, Stopped, LogoutDue, QRAsked, FreshAsked, QRWatched, Released, Restored, StoreRecovered,
		QRIssued, QRRefreshed, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed, LoginReconnect, SocketUp, SocketLost, KeepAliveStale, LoggedOut,
		Replaced, TempBanned, Banned, ClientOutdated, ConnectRefused, ProxyFailed, ServerUntrusted, StoreFailed, AckOverdue, SendRestricted,
		QRExpired, CodesExhausted, RetryDue, Stabilized, DeadlinePassed, Crashed, Quarantined,
	}
}

// FromClient reports whether a client run posts this kind. The machine drops such an input unless it carries the
// incarnation of the live run.
func (k InputKind) FromClient() bool {
	switch k {
	case QRIssued, QRRefreshed, PasskeyRequired, PasskeyAnswered, Scanned, Paired, PairFailed, LoginReconnect, SocketUp, SocketLost, KeepAliveStale, LoggedOut,
		Replaced, TempBanned, Banned, ClientOutdated, ConnectRefused, ProxyFailed, ServerUntrusted, StoreFailed, AckOverdue, SendRestricted:
		return true
	default:
		return false
	}
}

// Account identifies the WhatsApp account of a device. Empty fields are unknown.
type Account struct {
	JID      string // 5491100000000:12@s.whatsapp.net
	LID      string // 123456789:12@lid
	PushName string
}

// Phone returns the account's phone number in digits, or "".
func (a Account) Phone() string {
	for i, r := range a.JID {
		if r < '0' || r > '9' {
			return a.JID[:i]
		}
	}
	return ""
}

// Same reports whether two descriptions are of one account. An account keeps its LID for good but may change its number,
// and a number may go to another account. So the numbers count only if one of the LIDs is unknown.
func (a Account) Same(b Account) bool {
	if mine, other := user(a.LID), user(b.LID); mine != "" && other != "" {
		return mine == other
	}
	return a.Phone() != "" && a.Phone() == b.Phone()
}

// user returns the part of an address that names the account, without the device.
func user(address string) string {
	if end := strings.IndexAny(address, ".:@"); end >= 0 {
		return address[:end]
	}
	return address
}

// Input is one thing that happened. The comments say which kinds use a field.
type Input struct {
	Kind        InputKind
	Incarnation Incarnation // of the client run that posted it; 0 from people, timers and the supervisor

	Codes   []string  // QRIssued, QRRefreshed: the codes in the order of their validity
	Account Account   // Paired, SocketUp
	Until   time.Time // TempBanned, SendRestricted: zero is unknown; Restored, Released, StoreRecovered: when to connect, zero is now
	Code    int       // ConnectRefused: the HTTP status or WhatsApp's failure code
	Detail  string    // one line for operators: no secrets, no message text, no phone numbers
	Stack   string    // Crashed
	Passkey *Passkey  // PasskeyRequired, PasskeyAnswered

	StoreFails bool // RetryDue: the database does not take writes, so nothing that WhatsApp sends could be stored
}

// EffectKind names something to do. The names are in the imperative.
type EffectKind string

// The effects.
const (
	OpenSocket  EffectKind = "OpenSocket"  // open a client run with Effect.Incarnation
	CloseSocket EffectKind = "CloseSocket" // close the live client run and discard the client
	Unlink      EffectKind = "Unlink"      // unlink the device at WhatsApp, close the run, and delete the credentials
)

// Effect is one thing to do. The actor carries it out in a goroutine, so that its mailbox is not blocked.
type Effect struct {
	Kind        EffectKind
	Incarnation Incarnation // OpenSocket: the run to open; CloseSocket, Unlink: the run to end
	Linked      bool        // Unlink: credentials are stored
	Elsewhere   bool        // Unlink: another process uses the credentials, so no login can unlink the device
}
