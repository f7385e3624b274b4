package compat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

const (
	headerClient = "X-Cliente-Id"
	// maxClient is 2^53-1, the largest integer that JavaScript callers can represent exactly.
	maxClient = 1<<53 - 1
)

// clientOf reads X-Cliente-Id. It accepts only one such header: with two, a proxy and this service could see two
// different clients.
func clientOf(c *fiber.Ctx) (int64, error) {
	values := c.Request().Header.PeekAll(headerClient)
	if len(values) == 0 || (len(values) == 1 && len(values[0]) == 0) {
		return 0, &fault{status: fiber.StatusBadRequest, code: codeMissingHeader}
	}
	if len(values) == 1 {
		if n, ok := positiveInteger(string(values[0])); ok {
			return n, nil
		}
	}
	return 0, &fault{status: fiber.StatusBadRequest, code: codeInvalidHeader}
}

// positiveInteger parses an integer from 1 to 2^53-1. It accepts only ASCII digits: no sign, no space, no exponent.
// Leading zeros are ignored, as JavaScript's parseInt does.
func positiveInteger(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		digit := s[i] - '0'
		if digit > 9 {
			return 0, false
		}
		n = n*10 + int64(digit)
		if n > maxClient {
			return 0, false
		}
	}
	return n, n > 0
}

// instanceOf returns the session of a hub's instance name: sender_51 is session 51. It accepts only the canonical
// spelling, because the answer contains the name as the instance's id.
func instanceOf(name string) (session.ID, bool) {
	digits, ok := strings.CutPrefix(name, "sender_")
	if !ok {
		return "", false
	}
	n, ok := positiveInteger(digits)
	if !ok || string(session.NumericID(n)) != digits {
		return "", false
	}
	return session.NumericID(n), true
}

// waitOf returns how long the request waits: ?wait=, or the route's default.
func (r *Routes) waitOf(c *fiber.Ctx, def time.Duration) (time.Duration, error) {
	args := c.Context().QueryArgs()
	if !args.Has("wait") {
		return def, nil
	}
	values := args.PeekMulti("wait")
	if len(values) == 1 {
		wait, err := time.ParseDuration(string(values[0]))
		if err == nil && wait >= rest.MinWait && wait <= r.host.MaxWait {
			return wait, nil
		}
	}
	return 0, &fault{
		status: fiber.StatusBadRequest, code: codeInvalidRequest,
		message: fmt.Sprintf("wait debe ser una duración entre %s y %s, por ejemplo 25s", rest.MinWait, r.host.MaxWait),
	}
}

// keyOf reads Idempotency-Key. It returns "" if there is no such header.
func keyOf(c *fiber.Ctx) (string, error) {
	key, ok := rest.IdempotencyKey(c)
	if !ok {
		return "", invalid("Idempotency-Key: expected one header of 1 to 255 visible ASCII characters")
	}
	return key, nil
}

// missingFields is the contract's message for a body that is not a JSON object or lacks a field.
const missingFields = "Missing required fields: to, message"

func invalid(msg string) *fault {
	return &fault{status: fiber.StatusBadRequest, code: codeInvalidRequest, message: msg}
}

// sendOf reads the body of POST /send. It ignores unknown fields, as the contract requires.
func sendOf(c *fiber.Ctx) (to message.Recipient, text string, err error) {
	// Decompressing would let a small request become a large one.
	if encoding := c.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", "", &fault{status: fiber.StatusUnsupportedMediaType, code: codeEncoding}
	}
	body := rest.WithoutMark(c.Request().Body())
	if !utf8.Valid(body) || rest.HalfCharacter(body) >= 0 {
		// Go's decoder would replace invalid characters, and wasup would send another text than the caller's.
		return "", "", invalid("body: expected JSON in UTF-8")
	}
	var in sendRequest
	if err := json.Unmarshal(body, &in); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return "", "", invalid(fmt.Sprintf("%s: expected a string, got a JSON %s", wrong.Field, wrong.Value))
		}
		return "", "", invalid(missingFields)
	}
	if in.To == "" || in.Message == "" {
		return "", "", invalid(missingFields)
	}
	if err := message.TextOf(in.Message).Check(); err != nil {
		var e *session.Error
		if errors.As(err, &e) && e.Field == "text" { // the field's name on /v1
			return "", "", invalid("message: " + strings.TrimPrefix(e.Public(), "text: "))
		}
		return "", "", err
	}
	to, err = message.ParsePerson(in.To)
	return to, in.Message, err
}
