package httpapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// operation is one row of /v1: what is served, what is checked before, and what the OpenAPI document says, all from the
// same place. Huma gives the document, the schemas and the checks against them. Its router is left out: it writes its
// own errors, buffers what it streams, and knows neither drains nor the typed outcomes of a wait.
type operation struct {
	method  string
	path    string // Fiber's pattern
	name    string // operationId
	tag     string
	summary string
	detail  string

	query    []parameter
	labels   bool         // metadata.KEY= is taken too
	headers  []parameter  // that the document should name
	produces []string     // formats of the success, the first one by default; nil: JSON
	body     any          // a value of the request's type; nil: none is read
	optional bool         // the body may be left out
	forms    *huma.Schema // of the body as multipart/form-data; nil: it is not taken
	binary   bool         // the body may be anything
	examples []example    // of the body
	stream   bool         // the handler reads the body as it arrives, and checks it

	status    int // of the success
	answer    any // a value of the success's type; nil: no body, or none that is JSON
	event     any // a value of the type of each event's data, where the success can be a stream of events
	success   string
	unchanged bool   // it may also be 304
	partial   bool   // it may also be 206
	accepted  string // of a 202 with the same answer; "": there is none
	refuses   []int  // statuses of problems beside those that every route has

	probe bool // goes on answering while the server drains
	serve func(s *Server, k *call) error
}

// parameter is a query parameter. Its schema is checked before the handler runs.
type parameter struct {
	name   string
	doc    string
	schema *huma.Schema
}

// example is a body that the document shows. Tests send each of them.
type example struct {
	name    string
	summary string
	body    string // JSON
}

// call is one request of /v1 that passed the checks.
type call struct {
	*fiber.Ctx
	op     *operation
	id     session.ID        // of the path, where it has one
	query  map[string]string // only what the operation takes
	labels map[string]string // metadata.KEY=
	format string            // one of the operation's formats
	body   []byte            // JSON that fits the operation's body; nil: none came
}

// v1Table is the operations as routes.
func (s *Server) v1Table() []route {
	rows := make([]route, 0, len(s.api.operations))
	for i := range s.api.operations {
		op := &s.api.operations[i]
		rows = append(rows, route{
			method: op.method, path: op.path, shape: problems, probe: op.probe, doc: op.summary, stream: op.stream,
			handle: func(c *fiber.Ctx) error {
				k, err := s.admit(c, op)
				if err != nil {
					return err
				}
				return op.serve(s, k)
			},
		})
	}
	return rows
}

// admit checks a request against its operation.
func (s *Server) admit(c *fiber.Ctx, op *operation) (*call, error) {
	k := &call{Ctx: c, op: op}
	if op.method != fiber.MethodGet && crossOrigin(c) {
		return nil, httpProblem(probOrigin, "")
	}
	var err error
	if k.format, err = negotiate(c, op); err != nil {
		return nil, err
	}
	if strings.Contains(op.path, "/:id") {
		if k.id, err = session.ParseID(c.Params("id")); err != nil {
			return nil, err
		}
	}
	if err := k.readQuery(s.api, op); err != nil {
		return nil, err
	}
	if op.body != nil && !op.stream {
		if k.body, err = readBody(s.api, c, op); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// known is the snapshot of the call's session.
func (s *Server) known(k *call) (session.Status, error) {
	status, ok := s.deps.Sessions.Status(k.id)
	if !ok {
		return status, &session.Error{Code: session.CodeNotFound, Op: "find session", Session: k.id}
	}
	return status, nil
}

// finish renders a status as the answer of a verb.
func (s *Server) finish(k *call, status session.Status, err error) error {
	if err != nil {
		return err
	}
	return s.ok(k.Ctx, s.v1StatusOf(&status))
}
