package rest

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/wire"
	"wasup/internal/session"
)

// The error codes of /v1 about HTTP or about the outcome of a wait. All others are those of package session.
const (
	CodeNoRoute        = "route_not_found"
	CodeNoMethod       = "method_not_allowed"
	CodeOrigin         = "cross_origin"
	CodeHost           = "wrong_host"
	CodeNotAcceptable  = "not_acceptable"
	CodeMediaType      = "unsupported_media_type"
	CodeTooLarge       = "body_too_large"
	CodeTooSlow        = "request_timeout"
	CodeTooManyStreams = "too_many_streams"
	CodeUpgrade        = "upgrade_required"
	CodeRange          = "range_not_satisfiable"
	CodeLinked         = "already_linked"
	CodeStopped        = "session_stopped"
	CodeLinkFailed     = "linking_failed"
	CodeCancelled      = "message_cancelled"
)

// problemRow documents one of these codes.
type problemRow struct {
	code   string
	status int
	doc    string
}

func httpProblems() []problemRow {
	return []problemRow{
		{CodeNoRoute, 404, "No such route; /openapi.json has them all."},
		{CodeNoMethod, 405, "The route has other methods; `Allow` lists them."},
		{CodeOrigin, 403, "A page of another origin may not call this server; `http.cors_origins` lists those that may."},
		{CodeHost, 421, "The server does not answer to this host; `http.hosts` lists those that it answers to besides its address and localhost."},
		{CodeNotAcceptable, 406, "The route has none of the formats in `Accept`."},
		{CodeMediaType, 415, "The body has a format or an encoding that the route does not take."},
		{CodeTooLarge, 413, "The body is larger than the server takes."},
		{CodeTooSlow, 408, "The request did not arrive in time."},
		{CodeTooManyStreams, 429, "As many event streams as allowed are open already."},
		{CodeUpgrade, 426, "The route speaks WebSocket only."},
		{CodeRange, 416, "The file has none of the bytes that Range names; `Content-Range` says how many it has."},
		{CodeLinked, 409, "The session is linked already, so there is no code to scan."},
		{CodeStopped, 409, "Somebody stopped the session while the request waited."},
		{CodeCancelled, 409, "The message was cancelled before it left."},
		{CodeLinkFailed, 422, "The session did not come to a code: `state` and `cause` say why. A person has to act."},
	}
}

// Problem is an error of /v1 with its status, code and body.
type Problem struct {
	Status  int
	Code    string
	Detail  string
	Field   string
	Fields  []wire.FieldError
	Message *wire.Message     // the message that failed
	Answer  *session.QRAnswer // the outcome of a wait that ended without a code
	Cause   error             // for the log
	// RetryAfter is the header of that name; 0: the code decides.
	RetryAfter time.Duration
}

func (p *Problem) Error() string {
	text := p.Code
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.Cause != nil {
		text += ": " + p.Cause.Error()
	}
	return text
}

func (p *Problem) Unwrap() error { return p.Cause }

// HTTPProblem makes a problem with one of the codes above. If detail is "", it is the code's own sentence.
func HTTPProblem(code, detail string) *Problem {
	for _, row := range httpProblems() {
		if row.code == code {
			if detail == "" {
				detail = row.doc
			}
			return &Problem{Status: row.status, Code: code, Detail: detail}
		}
	}
	return &Problem{Status: fiber.StatusInternalServerError, Code: string(session.CodeInternal), Cause: errors.New("no row for problem " + code)}
}

// BadField makes the problem of one invalid field, parameter or header.
func BadField(field, expected string) *Problem {
	detail := field + ": " + expected
	return &Problem{
		Status: fiber.StatusBadRequest, Code: string(session.CodeInvalidRequest), Detail: detail,
		Field: field, Fields: []wire.FieldError{{Field: field, Detail: expected}},
	}
}

// ofRefusal maps the server's own refusals to the codes of /v1. Too many connections and headers that are too large are
// missing, because they are refused before the path is known, in the form of the compatibility routes.
var ofRefusal = map[Reason]string{
	NoRoute:      CodeNoRoute,
	WrongHost:    CodeHost,
	OtherPage:    CodeOrigin,
	NoMethod:     CodeNoMethod,
	BodyTooLarge: CodeTooLarge,
	TooSlow:      CodeTooSlow,
	Draining:     string(session.CodeShuttingDown),
	Malformed:    string(session.CodeInvalidRequest),
}

// ProblemOf turns any error into a problem. The cause of an error, and the message of a bug, only go to the log.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var r *Refusal
	if errors.As(err, &r) {
		code := ofRefusal[r.Reason]
		switch status, known := statuses[session.Code(code)]; {
		case known:
			return &Problem{Status: status, Code: code, Detail: publicOf(code), Cause: r.Cause}
		case code != "":
			p = HTTPProblem(code, "")
			p.Cause = r.Cause
			return p
		}
		return &Problem{Status: fiber.StatusInternalServerError, Code: string(session.CodeInternal), Detail: publicOf(""), Cause: r.Cause}
	}
	code := session.CodeOf(err)
	status, known := statuses[code]
	if !known {
		code, status = session.CodeInternal, fiber.StatusInternalServerError
	}
	p = &Problem{Status: status, Code: string(code), Detail: publicOf(string(code)), Cause: err}
	var e *session.Error
	if code != session.CodeInternal && errors.As(err, &e) {
		p.Detail, p.RetryAfter = e.Public(), e.RetryAfter
		if e.Field != "" {
			p.Field = e.Field
			p.Fields = []wire.FieldError{{Field: e.Field, Detail: strings.TrimPrefix(p.Detail, e.Field+": ")}}
		}
	}
	return p
}

// CodeProblem makes a problem with an error code of package session and the code's own sentence.
func CodeProblem(code session.Code) *Problem {
	return &Problem{Status: statuses[code], Code: string(code), Detail: publicOf(string(code))}
}

func publicOf(code string) string { return (&session.Error{Code: session.Code(code)}).Public() }

// problemType returns the URI that identifies a code. RFC 9457 requires a URI, but no page behind it.
func problemType(code string) string { return "urn:wasup:error:" + code }

// RenderProblem writes an error as a problem (RFC 9457), and logs the cause of a server error.
func (h *Host) RenderProblem(c *fiber.Ctx, label string, err error) {
	p := ProblemOf(err)
	if p.Status >= fiber.StatusInternalServerError && p.Cause != nil {
		h.Log.Warn("request failed", slog.String("route", label), slog.Int("status", p.Status),
			slog.String("code", p.Code), slog.Any("err", p.Cause))
	}
	body := wire.Problem{
		Type: problemType(p.Code), Title: titleOf(p.Status), Status: p.Status, Detail: p.Detail, Code: p.Code,
		Field: p.Field, Errors: p.Fields,
	}
	body.Message = p.Message
	if a := p.Answer; a != nil {
		body.Outcome, body.State, body.Cause = wire.Outcome(a.Outcome), wire.State(a.State), wire.Cause(a.Cause)
	}
	if seconds := cmp.Or(Seconds(p.RetryAfter), problemRetryAfter(p.Code)); seconds > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	h.Render(c, p.Status, body)
	if c.Response().StatusCode() == p.Status {
		c.Set(fiber.HeaderContentType, ContentProblem)
	}
}

// Seconds returns a duration for the header Retry-After: in whole seconds, rounded up.
func Seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func titleOf(status int) string { return http.StatusText(status) }

// problemRetryAfter returns the Retry-After, in seconds, of a refusal that ends without action of a person. 0: the
// header is not sent.
func problemRetryAfter(code string) int {
	switch session.Code(code) {
	case session.CodeTooManyWaiters, session.CodeQueueFull, session.CodeRateLimited, session.CodeRestarted, CodeTooManyStreams:
		return 2
	case session.CodeShuttingDown, session.CodeStoreUnavailable, session.CodeStoreFull, session.CodeStoreLocked, session.CodeUnavailable:
		return 5
	case session.CodeClientOutdated, session.CodeMediaFull:
		return 60
	default:
		return 0
	}
}
