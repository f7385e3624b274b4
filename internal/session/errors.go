package session

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable, machine-readable name of an error. Only the HTTP layer knows which status it has.
type Code string

// The codes. docs/errors.md is generated from Codes.
const (
	CodeInvalidRequest   Code = "invalid_request"      // a field is missing or malformed; Field names it
	CodeNotFound         Code = "not_found"            // no session has this id
	CodeNotReady         Code = "session_not_ready"    // the session is not READY, so it cannot send
	CodeTooManyWaiters   Code = "too_many_waiters"     // the limit of waiting callers is reached; try again
	CodeQueueFull        Code = "queue_full"           // the limit of sends in flight is reached; try again
	CodeTimeout          Code = "timeout"              // the wait ended without an outcome
	CodeShuttingDown     Code = "shutting_down"        // the process is draining
	CodeSendFailed       Code = "send_failed"          // WhatsApp refused the message
	CodeAckOverdue       Code = "ack_overdue"          // WhatsApp did not acknowledge the message in time
	CodeRestricted       Code = "restricted"           // WhatsApp restricts the account (463); never retried by itself
	CodeNotOnWhatsApp    Code = "not_on_whatsapp"      // the recipient has no WhatsApp account
	CodeUnsupported      Code = "unsupported_chat"     // this cannot be done in a chat of this kind
	CodeIdempotencyReuse Code = "idempotency_reuse"    // the same key was used with another body
	CodeStoreUnavailable Code = "store_unavailable"    // the database did not answer
	CodeStoreFull        Code = "store_full"           // the disk or the database is full
	CodeStoreLocked      Code = "store_locked"         // another process holds the database
	CodeConnectFailed    Code = "connect_failed"       // the WebSocket or the handshake failed
	CodeConnectRefused   Code = "connect_refused"      // the server answered the WebSocket with an HTTP error
	CodeDisconnected     Code = "disconnected"         // the connection was lost while the operation ran
	CodeRestarted        Code = "session_restarted"    // the session was restarted while the operation ran
	CodeExists           Code = "session_exists"       // a session has this id already
	CodeClientOutdated   Code = "client_outdated"      // WhatsApp refuses this client version; no session connects
	CodeProxyFailed      Code = "proxy_failed"         // the session's proxy cannot be used; nothing connects without it
	CodePairingRefused   Code = "pairing_refused"      // WhatsApp refused a step of linking the device
	CodeUntrusted        Code = "untrusted_server"     // the certificate of the server is not WhatsApp's
	CodeUnavailable      Code = "whatsapp_unavailable" // WhatsApp answered a request with a server error; try again
	CodeWrongState       Code = "wrong_state"          // the operation is not possible in the session's state
	CodeQuarantined      Code = "quarantined"          // the session crashed too often; a person or the cool-down releases it
	CodeUnknownMessage   Code = "message_not_found"    // the session has no message with this id
	CodeUnknownWebhook   Code = "webhook_not_found"    // no webhook has this id
	CodeTooManyWebhooks  Code = "too_many_webhooks"    // the limit of webhooks is reached
	CodeExpired          Code = "expired"              // the message's time limit passed before WhatsApp acknowledged it
	CodeRateLimited      Code = "rate_limited"         // the rate limit is reached; try later
	CodeMediaTooLarge    Code = "media_too_large"      // the file is larger than allowed
	CodeMediaFull        Code = "media_full"           // the files of outgoing messages have reached their limit together
	CodeMediaGone        Code = "media_gone"           // WhatsApp or this server no longer has the file
	CodeFetchRefused     Code = "fetch_refused"        // the URL leads to a network that wasup may not reach
	CodeFetchFailed      Code = "fetch_failed"         // the file could not be fetched from its URL
	CodeUploadFailed     Code = "upload_failed"        // WhatsApp did not take the message's file; nothing was sent
	CodeOutcomeUnknown   Code = "outcome_unknown"      // an attempt ended without an answer: WhatsApp may have the message
	CodeInternal         Code = "internal"             // a bug; the log has the details
)

// Codes lists every code with its documentation. Error.Public shows these sentences to callers.
func Codes() []CodeDoc {
	return []CodeDoc{
		{CodeInvalidRequest, false, "A field is missing or malformed; `field` names it."},
		{CodeNotFound, false, "No session has this id."},
		{CodeNotReady, true, "The session is not READY, so it cannot send."},
		{CodeTooManyWaiters, true, "As many callers as allowed wait already."},
		{CodeQueueFull, true, "As many sends as allowed are in flight for this session."},
		{CodeTimeout, true, "The wait ended without an outcome."},
		{CodeShuttingDown, true, "The process is draining."},
		{CodeSendFailed, false, "WhatsApp refused the message."},
		{CodeAckOverdue, true, "WhatsApp did not acknowledge the message in time; a retry keeps its id."},
		{CodeRestricted, false, "WhatsApp restricts the account (error 463). wasup does not retry by itself."},
		{CodeNotOnWhatsApp, false, "The recipient has no WhatsApp account."},
		{CodeUnsupported, false, "This cannot be done in a chat of this kind: statuses, broadcast lists and channels take little or nothing."},
		{CodeIdempotencyReuse, false, "The same Idempotency-Key came with another body."},
		{CodeStoreUnavailable, true, "The database did not answer."},
		{CodeStoreFull, true, "The disk or the database is full."},
		{CodeStoreLocked, true, "Another process holds the database."},
		{CodeConnectFailed, true, "The WebSocket or the handshake failed."},
		{CodeConnectRefused, true, "The server answered the WebSocket with an HTTP error."},
		{CodeDisconnected, true, "The link was lost while the operation ran."},
		{CodeRestarted, true, "The session was restarted while the operation ran."},
		{CodeExists, false, "A session has this id already."},
		{CodeClientOutdated, true, "WhatsApp refuses this version of the client. No session connects until WhatsApp accepts a version."},
		{CodeProxyFailed, true, "The session's proxy cannot be used; nothing connects without it."},
		{CodePairingRefused, false, "WhatsApp refused a step of linking the device."},
		{CodeUntrusted, true, "The certificate of the server is not WhatsApp's: the TLS certificate of the host is not valid, or the handshake is not signed with WhatsApp's key. Something stands in between."},
		{CodeUnavailable, true, "WhatsApp answered with a server error (500 or above)."},
		{CodeWrongState, false, "The session is not in a state in which this makes sense."},
		{CodeQuarantined, false, "The session crashed too often. A person or the cool-down releases it."},
		{CodeUnknownMessage, false, "The session has no message with this id."},
		{CodeUnknownWebhook, false, "No webhook has this id."},
		{CodeTooManyWebhooks, false, "As many webhooks as are allowed are registered, for the session or in all."},
		{CodeExpired, false, "The message's own time limit passed before WhatsApp acknowledged it."},
		{CodeRateLimited, true, "More was asked for than is allowed in this time."},
		{CodeMediaTooLarge, false, "The file is larger than is allowed."},
		{CodeMediaFull, true, "The files of outgoing messages take as much space as they may (`media.max_total`). Space is free again when messages are sent, or after `media.keep`."},
		{CodeMediaGone, false, "WhatsApp or this server no longer has the file."},
		{CodeFetchRefused, false, "The address is in a network that wasup may not fetch files from."},
		{CodeFetchFailed, true, "The file could not be fetched from its address."},
		{CodeUploadFailed, true, "WhatsApp did not take the message's file, so nothing was sent."},
		{CodeOutcomeUnknown, false, "WhatsApp may have the message: the last attempt to send it ended without an answer. wasup does not send it again by itself."},
		{CodeInternal, false, "A bug. The log has the rest."},
	}
}

// CodeDoc documents a code: its meaning, and whether the same request may succeed later.
type CodeDoc struct {
	Code      Code
	Retryable bool
	Doc       string
}

// Error is the error type of all rooms. Callers may see Message; Err is for logs only.
type Error struct {
	Code    Code
	Op      string // the operation that failed: "open client"
	Session ID     // "" if the error concerns no session
	Field   string // CodeInvalidRequest: the field, as the caller spelled it
	Status  int    // CodeConnectRefused: the HTTP status; WhatsApp's error number where WhatsApp refused; else 0
	// RetryAfter is how long to wait before the same request, at least; 0: not known.
	RetryAfter time.Duration
	Message    string // one sentence for the caller; never SQL, paths or secrets
	Err        error  // the cause, for logs
}

func (e *Error) Error() string {
	text := string(e.Code)
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Public returns the sentence that a caller may read: the message, or else the code's documentation.
func (e *Error) Public() string {
	if e.Message != "" {
		return e.Message
	}
	for _, doc := range Codes() {
		if doc.Code == e.Code {
			return doc.Doc
		}
	}
	return "Internal error."
}

// Retryable reports whether the same request may succeed later.
func (e *Error) Retryable() bool {
	for _, doc := range Codes() {
		if doc.Code == e.Code {
			return doc.Retryable
		}
	}
	return false
}

// CodeOf returns the code of the first *Error in err's chain: CodeInternal if there is none, "" if err is nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Crash is a caught bug, most often a panic, as reported to the supervisor.
type Crash struct {
	Where  string // "event handler", "effect OpenSocket", "actor"
	Reason string
	Stack  string
}

func (c *Crash) Error() string { return fmt.Sprintf("crash in %s: %s", c.Where, c.Reason) }
