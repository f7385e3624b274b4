package httpapi

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// place is a path with the routes of all its methods.
type place struct {
	path    string // Fiber's pattern, also the metric label
	errors  rest.RenderError
	probe   bool
	page    bool
	monitor bool
	methods []string
	stream  []string // the methods whose handlers read the body as it arrives
	parts   []string // the segments of the pattern in lower case
}

func (p *place) streams(method string) bool { return slices.Contains(p.stream, method) }

// routeTable finds the place of a path. It ignores the method, because errors before routing (404, 405, 413) must have
// the route's form too.
type routeTable struct {
	rows     []rest.Route
	byPath   map[string]*place
	patterns []*place // the places whose path has parameters
}

func newRouteTable(rows []rest.Route) routeTable {
	t := routeTable{rows: rows, byPath: make(map[string]*place, len(rows))}
	for i := range rows {
		r := &rows[i]
		key := strings.ToLower(r.Path)
		p := t.byPath[key]
		if p == nil {
			p = &place{path: r.Path, errors: r.Errors, probe: r.Probe, page: r.Page, monitor: r.Monitor, parts: strings.Split(key, "/")}
			t.byPath[key] = p
			if strings.Contains(key, "/:") {
				t.patterns = append(t.patterns, p)
			}
		}
		p.methods = append(p.methods, r.Method)
		if r.Head() {
			p.methods = append(p.methods, fiber.MethodHead)
		}
		if r.Stream {
			p.stream = append(p.stream, r.Method)
		}
	}
	return t
}

// find matches paths as Fiber does here: it ignores case and one trailing slash. It returns nil if there is no such
// route.
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

func (p *place) allow() string { return strings.Join(p.methods, ", ") }
