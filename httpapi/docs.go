package httpapi

import (
	"embed"

	"github.com/gofiber/fiber/v2"
)

//go:embed docs
var docs embed.FS

// docsPolicy lets the page load what this server gives it and nothing else: it works without internet, and nothing that
// it shows can make it fetch or run anything.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves one file of the page under /docs.
func page(name, contentType string) func(*Server, *call) error {
	return func(_ *Server, k *call) error {
		content, err := docs.ReadFile("docs/" + name)
		if err != nil {
			return err
		}
		k.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		k.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		k.Set(fiber.HeaderCacheControl, "no-cache")
		return send(k, contentType+"; charset=utf-8", content)
	}
}
