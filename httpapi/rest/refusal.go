package rest

import "github.com/gofiber/fiber/v2"

// Reason is why the server itself refuses a request, whatever the route.
type Reason string

// The reasons.
const (
	NoRoute         Reason = "no route"
	NoMethod        Reason = "the route has other methods"
	WrongHost       Reason = "wrong host"
	OtherPage       Reason = "a page of another origin"
	Malformed       Reason = "malformed"
	BodyTooLarge    Reason = "body too large"
	HeadersTooLarge Reason = "headers too large"
	TooSlow         Reason = "too slow"
	Draining        Reason = "draining"
	TooManyConns    Reason = "too many connections"
	Bug             Reason = "bug"
)

// Reasons lists them all.
func Reasons() []Reason {
	return []Reason{NoRoute, NoMethod, WrongHost, OtherPage, Malformed, BodyTooLarge, HeadersTooLarge, TooSlow, Draining, TooManyConns, Bug}
}

// Refusal is an error of the server itself, before a handler runs or instead of the handler's answer. Each route writes
// it in its own form.
type Refusal struct {
	Reason Reason
	Status int
	Cause  error // for the log
}

func (r *Refusal) Error() string {
	if r.Cause != nil {
		return string(r.Reason) + ": " + r.Cause.Error()
	}
	return string(r.Reason)
}

func (r *Refusal) Unwrap() error { return r.Cause }

// RefusalOf turns an error of Fiber or fasthttp into a refusal. Callers do not see its text.
func RefusalOf(e *fiber.Error) *Refusal {
	reason, status := Bug, e.Code
	switch e.Code {
	case fiber.StatusBadRequest:
		reason = Malformed
	case fiber.StatusNotFound:
		reason = NoRoute
	case fiber.StatusMethodNotAllowed:
		reason = NoMethod
	case fiber.StatusRequestTimeout:
		reason = TooSlow
	case fiber.StatusRequestEntityTooLarge:
		reason = BodyTooLarge
	case fiber.StatusRequestHeaderFieldsTooLarge:
		reason = HeadersTooLarge
	default:
		status = fiber.StatusInternalServerError
	}
	return &Refusal{Reason: reason, Status: status, Cause: e}
}

// TooManyConnections is the refusal of a connection beyond the limit, before it has sent a request.
func TooManyConnections() *Refusal {
	return &Refusal{Reason: TooManyConns, Status: fiber.StatusServiceUnavailable}
}

// ShuttingDown is the refusal of a request that comes while the server drains.
func ShuttingDown() *Refusal {
	return &Refusal{Reason: Draining, Status: fiber.StatusServiceUnavailable}
}
