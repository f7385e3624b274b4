package httpapi

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/chats"
	"wasup/httpapi/compat"
	"wasup/httpapi/docs"
	"wasup/httpapi/events"
	"wasup/httpapi/linking"
	"wasup/httpapi/media"
	"wasup/httpapi/messages"
	"wasup/httpapi/rest"
	"wasup/httpapi/sessions"
	"wasup/httpapi/supervision"
	"wasup/httpapi/webhooks"
)

//go:generate go run wasup/httpapi/gendoc -out ../docs

// resources are the resources of /v1, in the order of the OpenAPI document. A new one is a folder and a line here.
func resources(cfg *Config, deps *Deps, host *rest.Host) []rest.Resource {
	return []rest.Resource{
		sessions.New(host, deps.Sessions, deps.Slots),
		linking.New(host, deps.Links, deps.Pictures, cfg.QRWait),
		messages.New(host, deps.Messages, deps.Files, cfg.UploadKeep),
		chats.New(host, deps.Door, deps.Contacts),
		events.New(host, deps.Live, deps.Slots, deps.Pictures, events.Limits{Streams: cfg.Streams, Heartbeat: cfg.Heartbeat}),
		media.New(host, deps.Received),
		webhooks.New(host, deps.Webhooks, deps.Deliveries),
		supervision.New(host, deps.Supervision),
		docs.New(),
	}
}

// API returns the operations of /v1 and their document, without a server.
func API() *rest.API { return rest.NewAPI(resources(&Config{}, &Deps{}, &rest.Host{})...) }

// mount makes the table of all routes.
func (s *Server) mount(cfg *Config, deps *Deps) {
	s.compat = compat.New(s.host, compat.Config{
		QRWait: cfg.QRWait, HubWait: cfg.HubWait, SendTimeout: cfg.SendTimeout, MaxAttempts: cfg.MaxAttempts, Version: deps.Version,
	}, compat.Deps{
		Starter: deps.Sessions, Sender: deps.Sender, Health: deps.Health, Pictures: deps.Pictures, Metrics: deps.Metrics,
	})
	rows := []rest.Route{{Method: fiber.MethodGet, Path: "/", Errors: s.compat.Flagged, Probe: true, Page: true, Doc: "this index", Handle: s.index}}
	rows = append(rows, s.compat.Table()...)
	rows = append(rows, rest.NewAPI(resources(cfg, deps, s.host)...).Routes(s.host)...)
	s.routes = newRouteTable(rows)
}

// index is GET /.
func (s *Server) index(c *fiber.Ctx) error {
	answer := indexAnswer{Service: "wasup", Version: s.version, Routes: make([]indexRoute, 0, len(s.routes.rows))}
	for i := range s.routes.rows {
		row := &s.routes.rows[i]
		answer.Routes = append(answer.Routes, indexRoute{Method: row.Method, Path: row.Path, What: row.Doc})
	}
	return s.host.OK(c, answer)
}

// errorsOf returns the function that writes the errors of a path, also of a path without a route. Below /api/ callers
// expect the hub's errors.
func (s *Server) errorsOf(path string) rest.RenderError {
	if p := s.routes.find(path); p != nil {
		return p.errors
	}
	path = strings.ToLower(path)
	switch {
	case strings.HasPrefix(path, "/api/"):
		return s.compat.Coded
	case path == "/v1", strings.HasPrefix(path, "/v1/"), strings.HasPrefix(path, "/docs/"), strings.HasPrefix(path, "/dashboard/"):
		return s.host.RenderProblem
	default:
		return s.compat.Flagged
	}
}
