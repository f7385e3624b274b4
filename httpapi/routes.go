package httpapi

import (
	"strings"

	"github.com/gofiber/fiber/v2"
)

// shape is how a route writes its errors. Both are part of the compatibility contract.
type shape int

const (
	flagged shape = iota // {"error":true,"code":CODE,"message":…}
	coded                // {"error":CODE,"message":…}
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
}

func (s *Server) table() []route {
	return []route{
		{fiber.MethodGet, "/", flagged, true, "this index", s.getIndex},
		{fiber.MethodGet, "/qr-code", coded, false, "wait for a pairing QR of client X-Cliente-Id, starting it if needed", s.getQRCode},
		{fiber.MethodGet, "/status", flagged, false, "state of client X-Cliente-Id; starts nothing", s.getStatus},
		{fiber.MethodPost, "/init", flagged, false, "start client X-Cliente-Id", s.postInit},
		{fiber.MethodPost, "/send", flagged, false, "send a text and wait for WhatsApp's acknowledgement", s.postSend},
		{fiber.MethodGet, "/qr", flagged, false, "the pairing QR of this moment; starts nothing", s.getQR},
		{fiber.MethodGet, "/health", flagged, true, "health of the service and its database", s.getHealth},
		{fiber.MethodGet, hubPrefix + ":instance", coded, false, "an instance as the hub sees it", s.getInstance},
		{fiber.MethodPost, hubPrefix + ":instance/qr", coded, false, "a valid QR of an instance, renewed if needed", s.postInstanceQR},
		{fiber.MethodGet, "/healthz", flagged, true, "liveness: the process answers", s.getHealthz},
		{fiber.MethodGet, "/readyz", flagged, true, "readiness: 503 until the boot has finished and while draining", s.getReadyz},
		{fiber.MethodGet, "/metrics", flagged, true, "Prometheus metrics", s.metricsHandler()},
	}
}

// routeTable finds the row of a path whatever the method, because errors that come before routing (404, 405, 413) must
// have the route's shape too.
type routeTable struct {
	rows    []route
	byPath  map[string]*route
	hubGet  *route
	hubPost *route
}

func newRouteTable(rows []route) routeTable {
	t := routeTable{rows: rows, byPath: make(map[string]*route, len(rows))}
	for i := range rows {
		switch r := &rows[i]; r.path {
		case hubPrefix + ":instance":
			t.hubGet = r
		case hubPrefix + ":instance/qr":
			t.hubPost = r
		default:
			t.byPath[r.path] = r
		}
	}
	return t
}

// find matches as Fiber does here: without regard to case and to one trailing slash. nil: no such route.
func (t routeTable) find(path string) *route {
	path = strings.ToLower(path)
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if r := t.byPath[path]; r != nil {
		return r
	}
	instance, ok := strings.CutPrefix(path, hubPrefix)
	if !ok || instance == "" {
		return nil
	}
	name, rest, nested := strings.Cut(instance, "/")
	switch {
	case !nested:
		return t.hubGet
	case name != "" && rest == "qr":
		return t.hubPost
	default:
		return nil
	}
}

// shape of a path's errors, also where no route is: below /api/ callers expect the hub's.
func (t routeTable) shape(path string) shape {
	if r := t.find(path); r != nil {
		return r.shape
	}
	if strings.HasPrefix(strings.ToLower(path), "/api/") {
		return coded
	}
	return flagged
}

func (r *route) allow() string {
	if r.method == fiber.MethodGet {
		return fiber.MethodGet + ", " + fiber.MethodHead
	}
	return r.method
}
