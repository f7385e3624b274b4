package docs

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	return []rest.Operation{
		{
			Method: fiber.MethodGet, Path: "/openapi.json", Name: "getOpenAPI", Tag: rest.TagDocument, Summary: "Get this document",
			Produces: []string{rest.ContentJSON}, Status: fiber.StatusOK, Success: "OpenAPI 3.1.", Probe: true, Serve: r.openAPIJSON,
		},
		{
			Method: fiber.MethodGet, Path: "/openapi.yaml", Name: "getOpenAPIYAML", Tag: rest.TagDocument, Summary: "Get this document as YAML",
			Produces: []string{rest.ContentYAML}, Status: fiber.StatusOK, Success: "OpenAPI 3.1.", Probe: true, Serve: r.openAPIYAML,
		},
		{
			Method: fiber.MethodGet, Path: "/docs", Name: "getDocs", Tag: rest.TagDocument, Summary: "Open the API page",
			Produces: []string{rest.ContentHTML}, Status: fiber.StatusOK, Success: "HTML.", Probe: true, Page: true, Serve: page("page/index.html", rest.ContentHTML),
		},
		{
			Method: fiber.MethodGet, Path: "/docs/docs.js", Name: "getDocsScript", Tag: rest.TagDocument, Summary: "Get the API page's script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("page/docs.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/docs/docs.css", Name: "getDocsStyle", Tag: rest.TagDocument, Summary: "Get the API page's style",
			Produces: []string{rest.ContentStyle}, Status: fiber.StatusOK, Success: "CSS.", Probe: true, Serve: page("page/docs.css", rest.ContentStyle),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard", Name: "getDashboard", Tag: rest.TagDocument, Summary: "Open the dashboard",
			Produces: []string{rest.ContentHTML}, Status: fiber.StatusOK, Success: "HTML.", Probe: true, Page: true, Serve: page("dashboard/index.html", rest.ContentHTML),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/dashboard.js", Name: "getDashboardScript", Tag: rest.TagDocument, Summary: "Get the dashboard's script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("dashboard/dashboard.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/page.js", Name: "getDashboardPage", Tag: rest.TagDocument, Summary: "Get the dashboard's shared script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("dashboard/page.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/log.js", Name: "getDashboardLog", Tag: rest.TagDocument, Summary: "Get the dashboard's log script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("dashboard/log.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/messages.js", Name: "getDashboardMessages", Tag: rest.TagDocument, Summary: "Get the dashboard's message script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("dashboard/messages.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/passkey.js", Name: "getDashboardPasskey", Tag: rest.TagDocument, Summary: "Get the dashboard's passkey script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("dashboard/passkey.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/webhooks.js", Name: "getDashboardWebhooks", Tag: rest.TagDocument, Summary: "Get the dashboard's webhook script",
			Produces: []string{rest.ContentScript}, Status: fiber.StatusOK, Success: "JavaScript.", Probe: true, Serve: page("dashboard/webhooks.js", rest.ContentScript),
		},
		{
			Method: fiber.MethodGet, Path: "/dashboard/dashboard.css", Name: "getDashboardStyle", Tag: rest.TagDocument, Summary: "Get the dashboard's style",
			Produces: []string{rest.ContentStyle}, Status: fiber.StatusOK, Success: "CSS.", Probe: true, Serve: page("dashboard/dashboard.css", rest.ContentStyle),
		},
	}
}
