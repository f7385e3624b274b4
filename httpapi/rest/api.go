package rest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/wire"
	"wasup/internal/session"
)

// The tags of the document.
const (
	TagSessions    = "sessions"
	TagLinking     = "linking"
	TagMessages    = "messages"
	TagLive        = "live"
	TagWebhooks    = "webhooks"
	TagSupervision = "supervision"
	TagDocument    = "document"
)

// apiVersion is the version of the interface, not of the binary.
const apiVersion = "1"

// API is the operations of /v1 and the OpenAPI document made from them.
type API struct {
	registry   huma.Registry
	operations []Operation
	written    func() (asJSON, asYAML []byte) // the document, made by the first call
}

// Resource is one subject of /v1: a few operations that belong together. schema returns the schema of a value's type, as
// it is in the document.
type Resource interface {
	Operations(schema func(v any) *huma.Schema) []Operation
}

// NewAPI makes an API of the operations of all resources, in their order.
func NewAPI(resources ...Resource) *API {
	a := &API{registry: huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		name := strings.TrimPrefix(huma.DefaultSchemaNamer(t, hint), "V1")
		if strings.HasSuffix(t.PkgPath(), "internal/message") && name != "Address" {
			return "Received" + name // requests have fields of the same names
		}
		return name
	})}
	for _, resource := range resources {
		a.operations = append(a.operations, resource.Operations(a.Schema)...)
	}
	for i := range a.operations {
		for j := range a.operations[i].Query {
			a.operations[i].Query[j].Schema.PrecomputeMessages()
		}
	}
	a.document() // adds every type to the registry before requests need it
	// The document is written from a second API, because its schemas are less strict than those that tests check answers
	// against.
	a.written = sync.OnceValues(func() (asJSON, asYAML []byte) {
		w := NewAPI(resources...)
		document := w.document()
		w.allowNewFields()
		return mustWrite(document)
	})
	return a
}

// Routes returns a route for each operation.
func (a *API) Routes(h *Host) []Route {
	rows := make([]Route, 0, len(a.operations))
	for i := range a.operations {
		op := &a.operations[i]
		rows = append(rows, Route{
			Method: op.Method, Path: op.Path, Errors: h.RenderProblem, Probe: op.Probe, Doc: op.Summary, Stream: op.Input.Stream,
			Starts: op.Starts, Page: op.Page,
			Handle: func(c *fiber.Ctx) error {
				k, err := a.newCall(h, c, op)
				if err != nil {
					return err
				}
				return op.Serve(k)
			},
		})
	}
	return rows
}

// Operations returns all operations.
func (a *API) Operations() []Operation { return a.operations }

// Registry returns the strict schemas: requests are checked against them, and tests check answers against them.
func (a *API) Registry() huma.Registry { return a.registry }

// JSON returns the OpenAPI 3.1 document.
func (a *API) JSON() []byte {
	asJSON, _ := a.written()
	return asJSON
}

// allowNewFields changes the schemas of answers so that they allow new fields. The schemas of requests stay strict.
func (a *API) allowNewFields() {
	requests := make(map[string]bool)
	for i := range a.operations {
		if body := a.operations[i].Body; body != nil {
			a.collectSchemas(a.Schema(body), requests)
		}
	}
	for name, schema := range a.registry.Map() {
		if !requests["#/components/schemas/"+name] {
			schema.AdditionalProperties = nil
		}
	}
}

// collectSchemas adds to found a schema and all schemas that it refers to.
func (a *API) collectSchemas(schema *huma.Schema, found map[string]bool) {
	if schema == nil || found[schema.Ref] {
		return
	}
	if schema.Ref != "" {
		found[schema.Ref] = true
		schema = a.registry.SchemaFromRef(schema.Ref)
	}
	a.collectSchemas(schema.Items, found)
	for _, property := range schema.Properties {
		a.collectSchemas(property, found)
	}
}

// mustWrite writes the document as JSON and YAML. It does not fail: the document consists of values of this package,
// and a test writes it.
func mustWrite(document *huma.OpenAPI) (asJSON, asYAML []byte) {
	compact, err := document.MarshalJSON()
	if err != nil {
		return nil, nil
	}
	var out bytes.Buffer
	if json.Indent(&out, compact, "", "  ") != nil {
		return nil, nil
	}
	out.WriteByte('\n')
	asJSON = slices.Clone(out.Bytes())
	var y bytes.Buffer
	if yaml.Convert(&y, bytes.NewReader(compact)) != nil {
		return asJSON, nil
	}
	return asJSON, y.Bytes()
}

func (a *API) document() *huma.OpenAPI {
	document := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "wasup", Version: apiVersion,
			Description: "Supervised WhatsApp sessions. Errors are RFC 9457 problem details with a stable `code`. Unknown fields and parameters " +
				"are rejected.",
			License: &huma.License{Name: "MPL-2.0", Identifier: "MPL-2.0"},
		},
		Paths:      make(map[string]*huma.PathItem),
		Components: &huma.Components{Schemas: a.registry},
		Tags: []*huma.Tag{
			{Name: TagSessions, Description: "Create, list, change, start and stop sessions."},
			{Name: TagLinking, Description: "Linking a device: by QR, by phone-number code, by passkey."},
			{Name: TagMessages, Description: "Outgoing messages: stored before they are accepted, and sent once."},
			{Name: TagLive, Description: "Events as they happen, and the files of incoming messages."},
			{Name: TagWebhooks, Description: "Events, posted to your own addresses."},
			{Name: TagSupervision, Description: "The supervision tree: crashes, restarts, quarantine."},
			{Name: TagDocument, Description: "This document."},
		},
	}
	for i := range a.operations {
		op := &a.operations[i]
		path := openAPIPath(op.Path)
		item := document.Paths[path]
		if item == nil {
			item = &huma.PathItem{}
			document.Paths[path] = item
		}
		*slotOf(item, op.Method) = a.Describe(op)
	}
	return document
}

// placeholder matches a parameter in a path.
var placeholder = regexp.MustCompile(`/:(\w+)`)

// openAPIPath converts Fiber's pattern of a path to OpenAPI's.
func openAPIPath(path string) string { return placeholder.ReplaceAllString(path, "/{$1}") }

// pathParameter describes a parameter of the path.
func (op *Operation) pathParameter(name string) *huma.Param {
	out := &huma.Param{Name: name, In: "path", Required: true}
	if name == "id" {
		out.Description = "The session's id."
		out.Schema = &huma.Schema{Type: huma.TypeString, Pattern: `^[a-z0-9][a-z0-9_-]{0,63}$`}
	}
	for i := range op.Places {
		if p := &op.Places[i]; p.Name == name {
			out.Description, out.Schema = p.Doc, p.Schema
		}
	}
	return out
}

func slotOf(item *huma.PathItem, method string) **huma.Operation {
	switch method {
	case fiber.MethodPost:
		return &item.Post
	case fiber.MethodPatch:
		return &item.Patch
	case fiber.MethodDelete:
		return &item.Delete
	default:
		return &item.Get
	}
}

// Describe returns an operation as it is in the document.
func (a *API) Describe(op *Operation) *huma.Operation {
	out := &huma.Operation{
		OperationID: op.Name, Tags: []string{op.Tag}, Summary: op.Summary, Description: op.Detail,
		Responses: make(map[string]*huma.Response),
	}
	for _, found := range placeholder.FindAllStringSubmatch(op.Path, -1) {
		out.Parameters = append(out.Parameters, op.pathParameter(found[1]))
	}
	for i := range op.Query {
		p := &op.Query[i]
		out.Parameters = append(out.Parameters, &huma.Param{Name: p.Name, In: "query", Description: p.Doc, Schema: p.Schema})
	}
	if op.Labels {
		out.Parameters = append(out.Parameters, &huma.Param{
			Name: labelPrefix + "KEY", In: "query", Schema: ShortText(session.MaxMetadataValue),
			Description: "Only sessions whose metadata has this value under KEY. KEY stands for any key. You may give several.",
		})
	}
	for i := range op.Headers {
		p := &op.Headers[i]
		out.Parameters = append(out.Parameters, &huma.Param{Name: p.Name, In: "header", Description: p.Doc, Schema: p.Schema})
	}
	a.describeBody(op, out)
	a.describeAnswers(op, out)
	return out
}

func (a *API) describeBody(op *Operation, out *huma.Operation) {
	content := make(map[string]*huma.MediaType)
	if op.Body != nil {
		content[ContentJSON] = &huma.MediaType{Schema: a.Schema(op.Body)}
	}
	if len(op.Input.Examples) > 0 {
		content[ContentJSON].Examples = make(map[string]*huma.Example)
		for _, e := range op.Input.Examples {
			content[ContentJSON].Examples[e.Name] = &huma.Example{Summary: e.Summary, Value: json.RawMessage(e.Body)}
		}
	}
	if op.Input.Forms != nil {
		content[ContentForm] = &huma.MediaType{Schema: op.Input.Forms}
	}
	if op.Input.Binary {
		content["*/*"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	if len(content) > 0 {
		out.RequestBody = &huma.RequestBody{Required: !op.Input.Optional, Content: content}
	}
}

func (a *API) describeAnswers(op *Operation, out *huma.Operation) {
	success := &huma.Response{Description: op.Success}
	if op.Status != fiber.StatusNoContent {
		success.Content = make(map[string]*huma.MediaType)
		for _, format := range op.formats() {
			media := &huma.MediaType{}
			switch {
			case format == ContentEvents:
				media.Schema = a.Schema(op.Also.Events)
			case format == ContentJSON && op.Answer != nil:
				media.Schema = a.Schema(op.Answer)
			case format == ContentJSON:
				media.Schema = &huma.Schema{Type: huma.TypeObject}
			case format == ContentPNG || format == ContentAny:
				media.Schema = &huma.Schema{Type: huma.TypeString, Format: "binary"}
			default:
				media.Schema = &huma.Schema{Type: huma.TypeString}
			}
			success.Content[format] = media
		}
	}
	out.Responses[strconv.Itoa(op.Status)] = success
	if op.Also.Accepted != "" {
		out.Responses[strconv.Itoa(fiber.StatusAccepted)] = &huma.Response{Description: op.Also.Accepted, Content: success.Content}
	}
	if op.Also.Unchanged {
		out.Responses[strconv.Itoa(fiber.StatusNotModified)] = &huma.Response{Description: "The file is the one that If-None-Match names."}
	}
	if op.Also.Partial {
		out.Responses[strconv.Itoa(fiber.StatusPartialContent)] = &huma.Response{Description: "The part of the file that Range names.", Content: success.Content}
	}
	for _, status := range op.problems() {
		out.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: titleOf(status) + ": " + strings.Join(codesOf(status), ", ") + ".",
			Content:     map[string]*huma.MediaType{ContentProblem: {Schema: a.Schema(wire.Problem{})}},
		}
	}
}

// codesOf lists the error codes of a status.
func codesOf(status int) []string {
	var all []string
	for _, row := range errorRows() {
		if row.status == status {
			all = append(all, row.code)
		}
	}
	return all
}

// errorRows lists every error code of /v1 with its status.
func errorRows() []problemRow {
	var rows []problemRow
	for _, doc := range session.Codes() {
		rows = append(rows, problemRow{string(doc.Code), statuses[doc.Code], doc.Doc})
	}
	return append(rows, httpProblems()...)
}

// Schema returns the schema of a value's type.
func (a *API) Schema(v any) *huma.Schema { return a.registry.Schema(reflect.TypeOf(v), true, "") }
