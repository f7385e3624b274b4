package httpapi

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// shape is how a route writes its errors. The first two are part of the compatibility contract.
type shape int

const (
	flagged  shape = iota // {"error":true,"code":CODE,"message":…}
	coded                 // {"error":CODE,"message":…}
	problems              // RFC 9457; /v1 and what describes it
)

// hubPrefix begins the hub's instance routes.
const hubPrefix = "/api/session-manager/sessions/"

// route is one row of the table that everything about routing is derived from.
type route struct {
	method string // a GET route answers HEAD too
	path   string // Fiber's pattern, also the metric label
	shape  shape
	probe  bool // goes on answering while the server drains
	doc    string
	handle fiber.Handler
	stream bool // the handler reads the body as it arrives
}

func (s *Server) table() []route {
	return append(s.compatTable(), s.v1Table()...)
}

func (s *Server) compatTable() []route {
	return []route{
		{fiber.MethodGet, "/", flagged, true, "this index", s.getIndex, false},
		{fiber.MethodGet, "/qr-code", coded, false, "wait for a pairing QR of client X-Cliente-Id, starting it if needed", s.getQRCode, false},
		{fiber.MethodGet, "/status", flagged, false, "state of client X-Cliente-Id; starts nothing", s.getStatus, false},
		{fiber.MethodPost, "/init", flagged, false, "start client X-Cliente-Id", s.postInit, false},
		{fiber.MethodPost, "/send", flagged, false, "send a text and wait for WhatsApp's acknowledgement", s.postSend, false},
		{fiber.MethodGet, "/qr", flagged, false, "the pairing QR of this moment; starts nothing", s.getQR, false},
		{fiber.MethodGet, "/health", flagged, true, "health of the service and its database", s.getHealth, false},
		{fiber.MethodGet, hubPrefix + ":instance", coded, false, "an instance as the hub sees it", s.getInstance, false},
		{fiber.MethodPost, hubPrefix + ":instance/qr", coded, false, "a valid QR of an instance, renewed if needed", s.postInstanceQR, false},
		{fiber.MethodGet, "/healthz", flagged, true, "liveness: the process answers", s.getHealthz, false},
		{fiber.MethodGet, "/readyz", flagged, true, "readiness: 503 until the boot has finished and while draining", s.getReadyz, false},
		{fiber.MethodGet, "/metrics", flagged, true, "Prometheus metrics", s.metricsHandler(), false},
	}
}

// place is a path with all that the table says of it, whatever the method.
type place struct {
	path    string // Fiber's pattern, also the metric label
	shape   shape
	probe   bool
	methods []string
	stream  []string // the methods whose handlers read the body as it arrives
	parts   []string // of the lower-case pattern
}

func (p *place) streams(method string) bool { return slices.Contains(p.stream, method) }

// routeTable finds the place of a path whatever the method, because errors that come before routing (404, 405, 413)
// must have the route's shape too.
type routeTable struct {
	rows     []route
	byPath   map[string]*place
	patterns []*place // those with parameters
}

func newRouteTable(rows []route) routeTable {
	t := routeTable{rows: rows, byPath: make(map[string]*place, len(rows))}
	for i := range rows {
		r := &rows[i]
		key := strings.ToLower(r.path)
		p := t.byPath[key]
		if p == nil {
			p = &place{path: r.path, shape: r.shape, probe: r.probe, parts: strings.Split(key, "/")}
			t.byPath[key] = p
			if strings.Contains(key, "/:") {
				t.patterns = append(t.patterns, p)
			}
		}
		p.methods = append(p.methods, r.method)
		if r.stream {
			p.stream = append(p.stream, r.method)
		}
	}
	return t
}

// find matches as Fiber does here: without regard to case and to one trailing slash. nil: no such route.
func (t routeTable) find(path string) *place {
	path = strings.ToLower(path)
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if p := t.byPath[path]; p != nil && !strings.Contains(path, "/:") {
		return p
	}
	for _, p := range t.patterns {
		if p.matches(path) {
			return p
		}
	}
	return nil
}

func (p *place) matches(path string) bool {
	for i, part := range p.parts {
		segment, rest, more := strings.Cut(path, "/")
		if more == (i == len(p.parts)-1) {
			return false
		}
		if strings.HasPrefix(part, ":") {
			if segment == "" {
				return false
			}
		} else if segment != part {
			return false
		}
		path = rest
	}
	return true
}

// shape of a path's errors, also where no route is: below /api/ callers expect the hub's.
func (t routeTable) shape(path string) shape {
	if p := t.find(path); p != nil {
		return p.shape
	}
	path = strings.ToLower(path)
	switch {
	case strings.HasPrefix(path, "/api/"):
		return coded
	case path == "/v1", strings.HasPrefix(path, "/v1/"), strings.HasPrefix(path, "/docs/"), strings.HasPrefix(path, "/dashboard/"):
		return problems
	default:
		return flagged
	}
}

func (p *place) allow() string {
	var all []string
	for _, method := range p.methods {
		all = append(all, method)
		if method == fiber.MethodGet {
			all = append(all, fiber.MethodHead)
		}
	}
	return strings.Join(all, ", ")
}
