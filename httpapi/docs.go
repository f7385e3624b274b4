package httpapi

import (
	"embed"

	"github.com/gofiber/fiber/v2"
)

// pages are the page that draws the OpenAPI document, and the dashboard.
//
//go:embed docs dashboard
var pages embed.FS

// docsPolicy lets the page load what this server gives it and nothing else: it works without internet, and nothing that
// it shows can make it fetch or run anything.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves one file of the pages.
func page(name, contentType string) func(*Server, *call) error {
	return func(_ *Server, k *call) error {
		content, err := pages.ReadFile(name)
		if err != nil {
			return err
		}
		k.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		k.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		k.Set(fiber.HeaderCacheControl, "no-cache")
		return send(k, contentType+"; charset=utf-8", content)
	}
}
