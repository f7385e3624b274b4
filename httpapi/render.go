package httpapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
)

// contentType is the one that the Node service sent.
const contentType = "application/json; charset=utf-8"

// render writes v as JSON. Characters such as & stay as they are: nothing of this API is embedded in HTML.
func (s *Server) render(c *fiber.Ctx, status int, v any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		s.deps.Log.Error("an answer could not be written as JSON", slog.Any("err", err))
		c.Status(fiber.StatusInternalServerError)
		return
	}
	c.Set(fiber.HeaderContentType, contentType)
	c.Status(status).Response().SetBodyRaw(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// ok renders a 200 as a handler's last statement.
func (s *Server) ok(c *fiber.Ctx, v any) error {
	s.render(c, fiber.StatusOK, v)
	return nil
}

// instant is t as the hub reads times, nil where there is none.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return text(t.UTC().Format(time.RFC3339))
}

// text is s, nil where it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
