package rest

import (
	"slices"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// Operation is one row of /v1. It defines the route, the checks before the handler, and the entry in the OpenAPI
// document.
type Operation struct {
	Method  string
	Path    string // Fiber's pattern
	Name    string // operationId
	Tag     string
	Summary string
	Detail  string

	Places   []Parameter // parameters of the path other than :id, which is the session's
	Query    []Parameter
	Labels   bool        // the query may have parameters metadata.KEY
	Headers  []Parameter // headers for the document
	Produces []string    // formats of a successful answer, the default first; nil: JSON
	Body     any         // a value of the request's type; nil: no body is read
	Input    Input       // the forms of the body

	Status  int // of a successful answer
	Answer  any // a value of the answer's type; nil: the answer has no body, or one that is not JSON
	Success string
	Also    Also  // other successful answers
	Refuses []int // statuses of problems, besides those that every route has

	Probe  bool // the route also answers while the server drains
	Starts bool // a GET may start something
	Page   bool // a page for people
	Serve  func(k *Call) error
}

// Input describes the body of a request.
type Input struct {
	Optional bool         // the body may be left out
	Forms    *huma.Schema // the schema of multipart/form-data; nil: forms are refused
	Binary   bool         // the body may have any type
	Examples []Example
	Stream   bool // the handler reads the body as it arrives, and checks it
	// Each is a list of which the handler checks each item, so that a wrong one does not refuse the others. "": there is none.
	Each string
}

// Also describes other successful answers.
type Also struct {
	Unchanged bool   // 304
	Partial   bool   // 206
	Accepted  string // the description of a 202 with the same answer; "": there is no 202
	Events    any    // for a stream of events: a value of their type
}

// Parameter is a parameter of the query or the path, or a header. The values of query parameters are checked against
// their schemas before the handler runs.
type Parameter struct {
	Name   string
	Doc    string
	Schema *huma.Schema
}

// Example is a body that the document shows. Tests send every example.
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

// parameters lists the query parameters of the operation for an error text.
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

// problems lists the statuses of an operation's problems.
func (op *Operation) problems() []int {
	all := append([]int{400, 403, 405, 406, 408, 413, 421, 500}, op.Refuses...)
	if !op.Probe {
		all = append(all, 503)
	}
	if op.Method != fiber.MethodGet {
		all = append(all, 507)
	}
	sort.Ints(all)
	return slices.Compact(all)
}
