package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

const contentProblem = "application/problem+json"

// The codes of /v1 that are about HTTP or about the outcome of a wait, beside those of package session.
const (
	probRoute      = "route_not_found"
	probMethod     = "method_not_allowed"
	probOrigin     = "cross_origin"
	probAccept     = "not_acceptable"
	probMedia      = "unsupported_media_type"
	probTooLarge   = "body_too_large"
	probSlow       = "request_timeout"
	probStreams    = "too_many_streams"
	probUpgrade    = "upgrade_required"
	probRange      = "range_not_satisfiable"
	probLinked     = "already_linked"
	probStopped    = "session_stopped"
	probLinkFailed = "linking_failed"
	probCancelled  = "message_cancelled"
)

// problemRow documents a code that only HTTP has.
type problemRow struct {
	code   string
	status int
	doc    string
}

func httpProblems() []problemRow {
	return []problemRow{
		{probRoute, 404, "No such route; /openapi.json has them all."},
		{probMethod, 405, "The route has other methods; `Allow` lists them."},
		{probOrigin, 403, "A page of another origin may not change anything here."},
		{probAccept, 406, "The route has none of the formats in `Accept`."},
		{probMedia, 415, "The body has a format or an encoding that the route does not take."},
		{probTooLarge, 413, "The body is larger than the server takes."},
		{probSlow, 408, "The request did not arrive in time."},
		{probStreams, 429, "As many event streams as allowed are open already."},
		{probUpgrade, 426, "The route speaks WebSocket only."},
		{probRange, 416, "The file has none of the bytes that Range names; `Content-Range` says how many it has."},
		{probLinked, 409, "The session is linked already, so there is no code to scan."},
		{probStopped, 409, "Somebody stopped the session while the request waited."},
		{probCancelled, 409, "The message was cancelled before it left."},
		{probLinkFailed, 422, "The session did not come to a code: `state` and `cause` say why. A person has to act."},
	}
}

// statuses is the one table from a session's error code to the status of /v1.
var statuses = map[session.Code]int{
	session.CodeInvalidRequest:   fiber.StatusBadRequest,
	session.CodeNotFound:         fiber.StatusNotFound,
	session.CodeNotReady:         fiber.StatusConflict,
	session.CodeTooManyWaiters:   fiber.StatusTooManyRequests,
	session.CodeQueueFull:        fiber.StatusTooManyRequests,
	session.CodeTimeout:          fiber.StatusGatewayTimeout,
	session.CodeShuttingDown:     fiber.StatusServiceUnavailable,
	session.CodeSendFailed:       fiber.StatusBadGateway,
	session.CodeAckOverdue:       fiber.StatusGatewayTimeout,
	session.CodeRestricted:       fiber.StatusConflict,
	session.CodeNotOnWhatsApp:    fiber.StatusUnprocessableEntity,
	session.CodeIdempotencyReuse: fiber.StatusUnprocessableEntity,
	session.CodeStoreUnavailable: fiber.StatusServiceUnavailable,
	session.CodeStoreFull:        fiber.StatusInsufficientStorage,
	session.CodeStoreLocked:      fiber.StatusServiceUnavailable,
	session.CodeConnectFailed:    fiber.StatusBadGateway,
	session.CodeConnectRefused:   fiber.StatusBadGateway,
	session.CodeDisconnected:     fiber.StatusBadGateway,
	session.CodeRestarted:        fiber.StatusServiceUnavailable,
	session.CodeQuarantined:      fiber.StatusConflict,
	session.CodeExists:           fiber.StatusConflict,
	session.CodeWrongState:       fiber.StatusConflict,
	session.CodePairingRefused:   fiber.StatusUnprocessableEntity,
	session.CodeClientOutdated:   fiber.StatusServiceUnavailable,
	session.CodeProxyFailed:      fiber.StatusBadGateway,
	session.CodeUnknownMessage:   fiber.StatusNotFound, session.CodeUnknownWebhook: fiber.StatusNotFound,
	session.CodeTooManyWebhooks: fiber.StatusConflict,
	session.CodeExpired:         fiber.StatusGone, session.CodeMediaGone: fiber.StatusGone,
	session.CodeRateLimited: fiber.StatusTooManyRequests, session.CodeMediaTooLarge: fiber.StatusRequestEntityTooLarge,
	session.CodeFetchRefused: fiber.StatusUnprocessableEntity, session.CodeFetchFailed: fiber.StatusBadGateway,
	session.CodeUploadFailed: fiber.StatusBadGateway,
	session.CodeInternal:     fiber.StatusInternalServerError,
}

// problem is an error of /v1 that knows how it leaves.
type problem struct {
	status  int
	code    string
	detail  string
	field   string
	fields  []v1FieldError
	message *v1Message        // that failed
	answer  *session.QRAnswer // of a wait that ended otherwise than with a code
	cause   error             // for the log
}

func (p *problem) Error() string {
	text := p.code
	if p.detail != "" {
		text += ": " + p.detail
	}
	if p.cause != nil {
		text += ": " + p.cause.Error()
	}
	return text
}

func (p *problem) Unwrap() error { return p.cause }

// httpProblem is a problem with one of the codes above; the row's sentence is its detail unless another is given.
func httpProblem(code, detail string) *problem {
	for _, row := range httpProblems() {
		if row.code == code {
			if detail == "" {
				detail = row.doc
			}
			return &problem{status: row.status, code: code, detail: detail}
		}
	}
	return &problem{status: fiber.StatusInternalServerError, code: string(session.CodeInternal), cause: errors.New("no row for problem " + code)}
}

// badField refuses one field, parameter or header.
func badField(field, expected string) *problem {
	detail := field + ": " + expected
	return &problem{
		status: fiber.StatusBadRequest, code: string(session.CodeInvalidRequest), detail: detail,
		field: field, fields: []v1FieldError{{Field: field, Detail: expected}},
	}
}

// fromFault names what the server itself refuses, whatever the route, in the words of /v1. Headers that are too large
// are not among it: they are refused before their path is known, in the shape of the compatibility routes.
var fromFault = map[string]string{
	codeNotFound:         probRoute,
	codeMethodNotAllowed: probMethod,
	codeBodyTooLarge:     probTooLarge,
	codeRequestTimeout:   probSlow,
	codeEncoding:         probMedia,
	codeShuttingDown:     string(session.CodeShuttingDown),
	codeInvalidRequest:   string(session.CodeInvalidRequest),
}

// problemOf gives any error its form. The cause stays in the log, and so does the message of a bug.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var f *fault
	if errors.As(err, &f) {
		code := fromFault[f.code]
		switch status, known := statuses[session.Code(code)]; {
		case known:
			return &problem{status: status, code: code, detail: publicOf(code), cause: f.cause}
		case code != "":
			p = httpProblem(code, "")
			p.cause = f.cause
			return p
		}
		return &problem{status: fiber.StatusInternalServerError, code: string(session.CodeInternal), detail: publicOf(""), cause: f.cause}
	}
	code := session.CodeOf(err)
	status, known := statuses[code]
	if !known {
		code, status = session.CodeInternal, fiber.StatusInternalServerError
	}
	p = &problem{status: status, code: string(code), detail: publicOf(string(code)), cause: err}
	var e *session.Error
	if code != session.CodeInternal && errors.As(err, &e) {
		p.detail = e.Public()
		if e.Field != "" {
			p.field = e.Field
			p.fields = []v1FieldError{{Field: e.Field, Detail: strings.TrimPrefix(p.detail, e.Field+": ")}}
		}
	}
	return p
}

func publicOf(code string) string { return (&session.Error{Code: session.Code(code)}).Public() }

// problemType identifies a code wherever the API is reached from: RFC 9457 asks for a URI, not for a page.
func problemType(code string) string { return "urn:wasup:error:" + code }

// renderProblem writes the error as RFC 9457 says.
func (s *Server) renderProblem(c *fiber.Ctx, label string, err error) {
	p := problemOf(err)
	if p.status >= fiber.StatusInternalServerError && p.cause != nil {
		s.deps.Log.Warn("request failed", slog.String("route", label), slog.Int("status", p.status),
			slog.String("code", p.code), slog.Any("err", p.cause))
	}
	body := v1Problem{
		Type: problemType(p.code), Title: titleOf(p.status), Status: p.status, Detail: p.detail, Code: p.code,
		Field: p.field, Errors: p.fields,
	}
	body.Message = p.message
	if a := p.answer; a != nil {
		body.Outcome, body.State, body.Cause = v1Outcome(a.Outcome), v1State(a.State), v1Cause(a.Cause)
	}
	if seconds := problemRetryAfter(p.code); seconds > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	s.render(c, p.status, body)
	if c.Response().StatusCode() == p.status {
		c.Set(fiber.HeaderContentType, contentProblem)
	}
}

func titleOf(status int) string { return http.StatusText(status) }

// problemRetryAfter is the Retry-After of a refusal that passes by itself, in seconds; 0: none is sent.
func problemRetryAfter(code string) int {
	switch session.Code(code) {
	case session.CodeTooManyWaiters, session.CodeQueueFull, session.CodeRateLimited, session.CodeRestarted, probStreams:
		return 2
	case session.CodeShuttingDown, session.CodeStoreUnavailable, session.CodeStoreFull, session.CodeStoreLocked:
		return 5
	case session.CodeClientOutdated:
		return 60
	default:
		return 0
	}
}
