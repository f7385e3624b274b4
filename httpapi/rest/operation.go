package rest

import (
	"slices"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// Operation is one row of /v1: what is served, what is checked before, and what the OpenAPI document says, all from the
// same place.
type Operation struct {
	Method  string
	Path    string // Fiber's pattern
	Name    string // operationId
	Tag     string
	Summary string
	Detail  string

	Places   []Parameter // what its path names beside :id, which is the session's
	Query    []Parameter
	Labels   bool        // metadata.KEY= is taken too
	Headers  []Parameter // that the document should name
	Produces []string    // formats of the success, the first one by default; nil: JSON
	Body     any         // a value of the request's type; nil: none is read
	Input    Input       // how the body may come

	Status  int // of the success
	Answer  any // a value of the success's type; nil: no body, or none that is JSON
	Success string
	Also    Also  // what the success may be instead
	Refuses []int // statuses of problems beside those that every route has

	Probe bool // goes on answering while the server drains
	Serve func(k *Call) error
}

// Input is how a body may come.
type Input struct {
	Optional bool         // it may be left out
	Forms    *huma.Schema // of multipart/form-data; nil: it is not taken
	Binary   bool         // it may be anything
	Examples []Example
	Stream   bool // the handler reads it as it arrives, and checks it
}

// Also is what a success may be instead.
type Also struct {
	Unchanged bool   // 304
	Partial   bool   // 206
	Accepted  string // of a 202 with the same answer; "": there is none
	Events    any    // a stream of events: a value of their type
}

// Parameter is one of the query, of the path or of the headers. The schemas of a query are checked before the handler runs.
type Parameter struct {
	Name   string
	Doc    string
	Schema *huma.Schema
}

// Example is a body that the document shows. Tests send each of them.
type Example struct {
	Name    string
	Summary string
	Body    string // JSON
}

func (op *Operation) formats() []string {
	if op.Produces == nil {
		return []string{ContentJSON}
	}
	return op.Produces
}

// parameters names what the operation takes, for people.
func (op *Operation) parameters() string {
	var names []string
	for i := range op.Query {
		names = append(names, op.Query[i].Name)
	}
	if op.Labels {
		names = append(names, labelPrefix+"KEY")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// problems is every status that an operation's problems may have.
func (op *Operation) problems() []int {
	all := append([]int{400, 405, 406, 408, 413, 500}, op.Refuses...)
	if !op.Probe {
		all = append(all, 503)
	}
	if op.Method != fiber.MethodGet {
		all = append(all, 403, 507)
	}
	sort.Ints(all)
	return slices.Compact(all)
}
