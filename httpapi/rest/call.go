package rest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/wire"
	"wasup/internal/session"
)

// Call is one request of /v1 that passed the checks.
type Call struct {
	*fiber.Ctx
	op   *Operation
	api  *API
	host *Host

	ID     session.ID        // the session's id, if the path has one
	Query  map[string]string // the query parameters that the operation has
	Labels map[string]string // the parameters metadata.KEY, by KEY
	Format string            // one of the operation's formats
	Body   []byte            // JSON that matches the operation's schema; nil: there was no body
}

// newCall checks a request against its operation.
func (a *API) newCall(h *Host, c *fiber.Ctx, op *Operation) (*Call, error) {
	k := &Call{Ctx: c, op: op, api: a, host: h}
	var err error
	if k.Format, err = negotiate(c, op); err != nil {
		return nil, err
	}
	if strings.Contains(op.Path, "/:id") {
		if k.ID, err = session.ParseID(c.Params("id")); err != nil {
			return nil, err
		}
	}
	if err := k.readQuery(); err != nil {
		return nil, err
	}
	if op.Body != nil && !op.Input.Stream {
		if k.Body, err = k.readBody(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Known returns the snapshot of the call's session. The error has CodeNotFound if there is no such session.
func (k *Call) Known() (session.Status, error) {
	status, ok := k.host.Sessions.Status(k.ID)
	if !ok {
		return status, &session.Error{Code: session.CodeNotFound, Op: "find session", Session: k.ID}
	}
	return status, nil
}

// Render writes the answer as JSON.
func (k *Call) Render(status int, v any) { k.host.Render(k.Ctx, status, v) }

// OK writes a 200. It returns nil, so that a handler can end with it.
func (k *Call) OK(v any) error { return k.host.OK(k.Ctx, v) }

// OKStatus writes a session's status as the answer of a verb, or returns err.
func (k *Call) OKStatus(status session.Status, err error) error {
	if err != nil {
		return err
	}
	k.addHeld(&status)
	return k.OK(wire.StatusOf(&status, k.host.Now()))
}

// OKSession writes a session as the answer of a change, or returns err.
func (k *Call) OKSession(status session.Status, err error) error {
	if err != nil {
		return err
	}
	k.addHeld(&status)
	return k.OK(wire.SessionOf(&status, k.host.Now()))
}

// addHeld adds how many messages are held: the answer of a session does not know it.
func (k *Call) addHeld(status *session.Status) {
	if present, known := k.host.Sessions.Status(status.ID); known {
		status.Held = present.Held
	}
}

// Send writes a 200 with a body that is not JSON.
func (k *Call) Send(contentType string, body []byte) error {
	k.Set(fiber.HeaderContentType, contentType)
	k.Status(fiber.StatusOK).Response().SetBodyRaw(body)
	return nil
}

// Document returns the OpenAPI document of the call's API.
func (k *Call) Document() (asJSON, asYAML []byte) { return k.api.written() }

// Fit checks a body that the handler has read itself against the operation's schema.
func (k *Call) Fit(body []byte) error { return k.api.fit(k.op, body) }

// Decode reads a body that passed the checks, which have refused all unknown fields.
func (k *Call) Decode(into any) error {
	if k.Body == nil {
		return nil
	}
	if err := json.Unmarshal(k.Body, into); err != nil {
		return &session.Error{Code: session.CodeInternal, Op: "decode a body that was checked", Err: err}
	}
	return nil
}

// Integer returns an integer parameter, or def if it is absent.
func (k *Call) Integer(name string, def int) int {
	if n, err := strconv.Atoi(k.Query[name]); err == nil {
		return n
	}
	return def
}

// IdempotencyKey reads the header. The key is "" if there is no header. ok is false for an invalid key, and also for an
// empty one, because its sender believes that repeated requests are safe.
func IdempotencyKey(c *fiber.Ctx) (key string, ok bool) {
	values := c.Request().Header.PeekAll(HeaderKey)
	if len(values) == 0 {
		return "", true
	}
	if len(values) == 1 && validKey(values[0]) {
		return string(values[0]), true
	}
	return "", false
}

// HeaderKey is the header with the key of a request: repeated requests with one key send one message.
const HeaderKey = "Idempotency-Key"

func validKey(key []byte) bool {
	if len(key) == 0 || len(key) > 255 {
		return false
	}
	for _, b := range key {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}
