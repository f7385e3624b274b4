package compat

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// The error codes: first those of the Node service, then those that it did not have.
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
	codeWrongHost        = "WRONG_HOST"
	codeCrossOrigin      = "CROSS_ORIGIN"
	codeBodyTooLarge     = "BODY_TOO_LARGE"
	codeHeadersTooLarge  = "HEADERS_TOO_LARGE"
	codeEncoding         = "UNSUPPORTED_ENCODING"
	codeRequestTimeout   = "REQUEST_TIMEOUT"
	codeTooManyWaiters   = "TOO_MANY_WAITERS"
	codeTooManyConns     = "TOO_MANY_CONNECTIONS"
	codeQueueFull        = "QUEUE_FULL"
	codeShuttingDown     = "SHUTTING_DOWN"
	codeIdempotency      = "IDEMPOTENCY_REUSE"
	codeStore            = "STORE_UNAVAILABLE"
)

// fault is an error with its status and code. Both forms of an error body are made from it.
type fault struct {
	status  int
	code    string
	message string // for the caller; "": the code's own sentence, in the language of the form
	state   session.State
	waitMS  int64  // wait_time_ms, QR_TIMEOUT only
	reason  string // for the header X-Last-Error, because the contract fixes the body; "": no header
	cause   error  // for the log
	// retryAfter is the header Retry-After; 0: the code decides.
	retryAfter time.Duration
}

func (f *fault) Error() string {
	if f.cause != nil {
		return f.code + ": " + f.cause.Error()
	}
	return f.code
}

func (f *fault) Unwrap() error { return f.cause }

// rule is the status and the code of a session error.
type rule struct {
	status int
	code   string
}

// rules maps the error codes of package session to HTTP. It is for POST /send; the other routes handle outcomes
// themselves. The contract has one answer for everything that prevents WhatsApp's acknowledgement: 500 SEND_FAILED.
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
	session.CodeUnsupported:      {fiber.StatusBadRequest, codeInvalidRequest},
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
	session.CodeUntrusted:        {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUnavailable:      {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUnknownMessage:   {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUnknownWebhook:   {fiber.StatusInternalServerError, codeInternal},
	session.CodeTooManyWebhooks:  {fiber.StatusInternalServerError, codeInternal},
	session.CodeExpired:          {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeMediaFull:        {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeMediaGone:        {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeRateLimited:      {fiber.StatusTooManyRequests, codeQueueFull},
	session.CodeMediaTooLarge:    {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeFetchRefused:     {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeFetchFailed:      {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeUploadFailed:     {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeOutcomeUnknown:   {fiber.StatusInternalServerError, codeSendFailed},
	session.CodeInternal:         {fiber.StatusInternalServerError, codeInternal},
}

// faultOf turns any error into a fault. The cause of an error, and the message of a bug, only go to the log. All errors
// because of a drain have the same message.
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
		f.message, f.retryAfter = e.Public(), e.RetryAfter
	}
	return f
}

// retryAfter returns the Retry-After, in seconds, of a refusal that ends without action of a person. 0: the header is
// not sent.
func retryAfter(code string) int {
	switch code {
	case codeTooManyWaiters, codeTooManyConns, codeQueueFull:
		return 2
	case codeShuttingDown, codeStore:
		return 5
	default:
		return 0
	}
}

// refusals maps the server's own refusals to codes.
var refusals = map[rest.Reason]string{
	rest.NoRoute:         codeNotFound,
	rest.NoMethod:        codeMethodNotAllowed,
	rest.WrongHost:       codeWrongHost,
	rest.OtherPage:       codeCrossOrigin,
	rest.Malformed:       codeInvalidRequest,
	rest.BodyTooLarge:    codeBodyTooLarge,
	rest.HeadersTooLarge: codeHeadersTooLarge,
	rest.TooSlow:         codeRequestTimeout,
	rest.Draining:        codeShuttingDown,
	rest.TooManyConns:    codeTooManyConns,
	rest.Bug:             codeInternal,
}
