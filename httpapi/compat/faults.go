package compat

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// The wire's error codes, as callers of the Node service know them, and those that it never had.
const (
	codeMissingHeader    = "MISSING_HEADER"
	codeInvalidHeader    = "INVALID_HEADER"
	codeInvalidRequest   = "INVALID_REQUEST"
	codeQRNotRequired    = "QR_NOT_REQUIRED"
	codeInitFailed       = "INITIALIZATION_FAILED"
	codeQRTimeout        = "QR_TIMEOUT"
	codeInternal         = "INTERNAL_ERROR"
	codeSessionNotReady  = "SESSION_NOT_READY"
	codeSendFailed       = "SEND_FAILED"
	codeSessionNotFound  = "SESSION_NOT_FOUND"
	codeSessionExists    = "SESSION_EXISTS"
	codeAlreadyConnected = "SESSION_ALREADY_CONNECTED"
	codeQRFailed         = "QR_GENERATION_FAILED"

	codeNotFound         = "NOT_FOUND"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeBodyTooLarge     = "BODY_TOO_LARGE"
	codeHeadersTooLarge  = "HEADERS_TOO_LARGE"
	codeEncoding         = "UNSUPPORTED_ENCODING"
	codeRequestTimeout   = "REQUEST_TIMEOUT"
	codeTooManyWaiters   = "TOO_MANY_WAITERS"
	codeQueueFull        = "QUEUE_FULL"
	codeShuttingDown     = "SHUTTING_DOWN"
	codeIdempotency      = "IDEMPOTENCY_REUSE"
	codeStore            = "STORE_UNAVAILABLE"
)

// fault is an error that knows how it leaves: the two shapes are drawn from the same fault.
type fault struct {
	status  int
	code    string
	message string // for the caller; "" takes the code's own sentence in the shape's language
	state   session.State
	waitMS  int64 // wait_time_ms, QR_TIMEOUT only
	cause   error // for the log
}

func (f *fault) Error() string {
	if f.cause != nil {
		return f.code + ": " + f.cause.Error()
	}
	return f.code
}

func (f *fault) Unwrap() error { return f.cause }

// rule is how a session error leaves: its status and its name on the wire.
type rule struct {
	status int
	code   string
}

// rules is the one table from a session's error code to HTTP. It serves POST /send; the other routes have outcomes of
// their own. The contract gives one answer to everything that keeps WhatsApp from acknowledging: 500 SEND_FAILED.
var rules = map[session.Code]rule{
	session.CodeInvalidRequest:   {fiber.StatusBadRequest, codeInvalidRequest},
	session.CodeNotFound:         {fiber.StatusNotFound, codeSessionNotFound},
	session.CodeNotReady:         {fiber.StatusConflict, codeSessionNotReady},
	session.CodeTooManyWaiters:   {fiber.StatusTooManyRequests, codeTooManyWaiters},
	session.CodeQueueFull:        {fiber.StatusTooManyRequests, codeQueueFull},
	session.CodeTimeout:          {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeShuttingDown:     {fiber.StatusServiceUnavailable, codeShuttingDown},
	session.CodeSendFailed:       {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeAckOverdue:       {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeRestricted:       {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeNotOnWhatsApp:    {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeIdempotencyReuse: {fiber.StatusUnprocessableEntity, codeIdempotency},
	session.CodeStoreUnavailable: {fiber.StatusServiceUnavailable, codeStore},
	session.CodeStoreFull:        {fiber.StatusServiceUnavailable, codeStore},
	session.CodeStoreLocked:      {fiber.StatusServiceUnavailable, codeStore},
	session.CodeConnectFailed:    {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeConnectRefused:   {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeDisconnected:     {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeRestarted:        {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeQuarantined:      {fiber.StatusConflict, codeSessionNotReady},
	session.CodeExists:           {fiber.StatusConflict, codeSessionExists},
	session.CodeWrongState:       {fiber.StatusConflict, codeSessionNotReady},
	session.CodePairingRefused:   {fiber.StatusBadGateway, codeQRFailed},
	session.CodeClientOutdated:   {fiber.StatusServiceUnavailable, codeSendFailed},
	session.CodeProxyFailed:      {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUnknownMessage:   {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUnknownWebhook:   {fiber.StatusInternalServerError, codeInternal},
	session.CodeTooManyWebhooks:  {fiber.StatusInternalServerError, codeInternal},
	session.CodeExpired:          {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeMediaGone:        {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeRateLimited:      {fiber.StatusTooManyRequests, codeQueueFull},
	session.CodeMediaTooLarge:    {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeFetchRefused:     {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeFetchFailed:      {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUploadFailed:     {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeInternal:         {fiber.StatusInternalServerError, codeInternal},
}

// faultOf gives any error of the rooms behind the routes its HTTP form. The cause stays in the log, and so
// does the message of a bug; a drain has one sentence, wherever it is met.
func faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var refused *rest.Refusal
	if errors.As(err, &refused) {
		return &fault{status: refused.Status, code: refusals[refused.Reason], cause: refused.Cause}
	}
	row, ok := rules[session.CodeOf(err)]
	if !ok {
		row = rules[session.CodeInternal]
	}
	f = &fault{status: row.status, code: row.code, cause: err}
	var e *session.Error
	if row.code != codeInternal && row.code != codeShuttingDown && errors.As(err, &e) {
		f.message = e.Public()
	}
	return f
}

// retryAfter is the Retry-After of a refusal that passes by itself, in seconds; 0: none is sent.
func retryAfter(code string) int {
	switch code {
	case codeTooManyWaiters, codeQueueFull:
		return 2
	case codeShuttingDown, codeStore:
		return 5
	default:
		return 0
	}
}

// refusals names what the server itself refuses, whatever the route.
var refusals = map[rest.Reason]string{
	rest.NoRoute:         codeNotFound,
	rest.NoMethod:        codeMethodNotAllowed,
	rest.Malformed:       codeInvalidRequest,
	rest.BodyTooLarge:    codeBodyTooLarge,
	rest.HeadersTooLarge: codeHeadersTooLarge,
	rest.TooSlow:         codeRequestTimeout,
	rest.Draining:        codeShuttingDown,
	rest.Bug:             codeInternal,
}
