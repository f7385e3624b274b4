package docs

import (
	"embed"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// pages are the page that shows the OpenAPI document, and the dashboard.
//
//go:embed page dashboard
var pages embed.FS

// policy is the Content-Security-Policy of the pages. They may load only what this server serves: they work without
// internet, and no content that they show can make them load or run anything else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Resource serves the operations of this package.
type Resource struct{}

// New makes the resource.
func New() *Resource { return &Resource{} }

// page serves one file of the pages.
func page(name, contentType string) func(*rest.Call) error {
	return func(k *rest.Call) error {
		content, err := pages.ReadFile(name)
		if err != nil {
			return err
		}
		k.Set(fiber.HeaderContentSecurityPolicy, policy)
		k.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		k.Set(fiber.HeaderCacheControl, "no-cache")
		return k.Send(contentType+"; charset=utf-8", content)
	}
}

func (*Resource) openAPIJSON(k *rest.Call) error {
	asJSON, _ := k.Document()
	return k.Send(rest.ContentJSON, asJSON)
}

func (*Resource) openAPIYAML(k *rest.Call) error {
	_, asYAML := k.Document()
	return k.Send(rest.ContentYAML, asYAML)
}
