package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

//go:generate go run wasup/httpapi/gendoc -out ../docs

// apiVersion is the version of the interface, not of the binary.
const apiVersion = "1"

// api is the operations of /v1 and the document made of them.
type api struct {
	registry   huma.Registry
	operations []operation
	written    func() (asJSON, asYAML []byte) // the document; made by the first who asks
}

func newAPI() *api {
	a := &api{registry: huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		return strings.TrimPrefix(huma.DefaultSchemaNamer(t, hint), "V1")
	})}
	a.operations = a.list()
	for i := range a.operations {
		for j := range a.operations[i].query {
			a.operations[i].query[j].schema.PrecomputeMessages()
		}
	}
	a.document() // every type is in the registry before requests look for it
	// The document is written from an api of its own, because it says less than answers are held against.
	a.written = sync.OnceValues(func() (asJSON, asYAML []byte) {
		w := newAPI()
		document := w.document()
		w.relax()
		return mustWrite(document)
	})
	return a
}

// relax lets the document say that answers may gain fields; requests stay strict.
func (a *api) relax() {
	requests := make(map[string]bool)
	for i := range a.operations {
		if body := a.operations[i].body; body != nil {
			a.within(a.schema(body), requests)
		}
	}
	for name, schema := range a.registry.Map() {
		if !requests["#/components/schemas/"+name] {
			schema.AdditionalProperties = nil
		}
	}
}

// within collects the schemas that one is made of, itself included.
func (a *api) within(schema *huma.Schema, found map[string]bool) {
	if schema == nil || found[schema.Ref] {
		return
	}
	if schema.Ref != "" {
		found[schema.Ref] = true
		schema = a.registry.SchemaFromRef(schema.Ref)
	}
	a.within(schema.Items, found)
	for _, property := range schema.Properties {
		a.within(property, found)
	}
}

// mustWrite cannot fail: the document is made of values of this package, and a test writes it.
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

// OpenAPI is the OpenAPI 3.1 document of /v1, in JSON.
func OpenAPI() []byte {
	asJSON, _ := newAPI().written()
	return asJSON
}

func (a *api) document() *huma.OpenAPI {
	document := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "wasup", Version: apiVersion,
			Description: "Supervised WhatsApp sessions. Errors are RFC 9457 problem details with a stable `code`. Fields that a request may " +
				"not have are refused, and so are unknown parameters.",
			License: &huma.License{Name: "MPL-2.0", Identifier: "MPL-2.0"},
		},
		Paths:      make(map[string]*huma.PathItem),
		Components: &huma.Components{Schemas: a.registry},
		Tags: []*huma.Tag{
			{Name: tagSessions, Description: "The slots, and what is asked of them."},
			{Name: tagLinking, Description: "Linking a device: by QR, by phone-number code, by passkey."},
			{Name: tagMessages, Description: "Messages that leave: they are stored before they are accepted, and sent once."},
			{Name: tagLive, Description: "What happens, as it happens."},
			{Name: tagWebhooks, Description: "Events, posted to where they are wanted."},
			{Name: tagSupervision, Description: "What the supervisor knows: crashes, restarts, quarantine."},
			{Name: tagDocument, Description: "This document."},
		},
	}
	for i := range a.operations {
		op := &a.operations[i]
		path := documented(op.path)
		item := document.Paths[path]
		if item == nil {
			item = &huma.PathItem{}
			document.Paths[path] = item
		}
		*slotOf(item, op.method) = a.describe(op)
	}
	return document
}

// documented is a path as OpenAPI writes it.
func documented(path string) string {
	for name := range pathParameters() {
		path = strings.ReplaceAll(path, "/:"+name, "/{"+name+"}")
	}
	return path
}

// pathParameters describes what may be in a path.
func pathParameters() map[string]*huma.Param {
	most := 128
	return map[string]*huma.Param{
		"webhook": {Description: "The webhook's id.", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}},
		"id":      {Description: "The session's id.", Schema: &huma.Schema{Type: huma.TypeString, Pattern: `^[a-z0-9][a-z0-9_-]{0,63}$`}},
		"media":   {Description: "The file's id, from the event of its message.", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}},
		"mid":     {Description: "The WhatsApp message id.", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}},
		"chat":    {Description: "A phone number with country code, or the address of a person or a group.", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}},
	}
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

func (a *api) describe(op *operation) *huma.Operation {
	out := &huma.Operation{
		OperationID: op.name, Tags: []string{op.tag}, Summary: op.summary, Description: op.detail,
		Responses: make(map[string]*huma.Response),
	}
	for part := range strings.SplitSeq(op.path, "/") {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			p := pathParameters()[name]
			p.Name, p.In, p.Required = name, "path", true
			out.Parameters = append(out.Parameters, p)
		}
	}
	for i := range op.query {
		p := &op.query[i]
		out.Parameters = append(out.Parameters, &huma.Param{Name: p.name, In: "query", Description: p.doc, Schema: p.schema})
	}
	if op.labels {
		out.Parameters = append(out.Parameters, &huma.Param{
			Name: labelPrefix + "KEY", In: "query", Schema: shortText(session.MaxMetadataValue),
			Description: "Only sessions whose metadata has this value under KEY. KEY stands for any key; several may be given.",
		})
	}
	for i := range op.headers {
		p := &op.headers[i]
		out.Parameters = append(out.Parameters, &huma.Param{Name: p.name, In: "header", Description: p.doc, Schema: p.schema})
	}
	a.describeBody(op, out)
	a.describeAnswers(op, out)
	return out
}

func (a *api) describeBody(op *operation, out *huma.Operation) {
	content := make(map[string]*huma.MediaType)
	if op.body != nil {
		content[contentJSON] = &huma.MediaType{Schema: a.schema(op.body)}
	}
	if len(op.examples) > 0 {
		content[contentJSON].Examples = make(map[string]*huma.Example)
		for _, e := range op.examples {
			content[contentJSON].Examples[e.name] = &huma.Example{Summary: e.summary, Value: json.RawMessage(e.body)}
		}
	}
	if op.forms != nil {
		content[contentForm] = &huma.MediaType{Schema: op.forms}
	}
	if op.binary {
		content["*/*"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	if len(content) > 0 {
		out.RequestBody = &huma.RequestBody{Required: !op.optional, Content: content}
	}
}

func (a *api) describeAnswers(op *operation, out *huma.Operation) {
	success := &huma.Response{Description: op.success}
	if op.status != fiber.StatusNoContent {
		success.Content = make(map[string]*huma.MediaType)
		for _, format := range op.formats() {
			media := &huma.MediaType{}
			switch {
			case format == contentEvents:
				media.Schema = a.schema(op.event)
			case format == contentJSON && op.answer != nil:
				media.Schema = a.schema(op.answer)
			case format == contentJSON:
				media.Schema = &huma.Schema{Type: huma.TypeObject}
			case format == contentPNG || format == contentAny:
				media.Schema = &huma.Schema{Type: huma.TypeString, Format: "binary"}
			default:
				media.Schema = &huma.Schema{Type: huma.TypeString}
			}
			success.Content[format] = media
		}
	}
	out.Responses[strconv.Itoa(op.status)] = success
	if op.accepted != "" {
		out.Responses[strconv.Itoa(fiber.StatusAccepted)] = &huma.Response{Description: op.accepted, Content: success.Content}
	}
	if op.unchanged {
		out.Responses[strconv.Itoa(fiber.StatusNotModified)] = &huma.Response{Description: "It is what If-None-Match names."}
	}
	if op.partial {
		out.Responses[strconv.Itoa(fiber.StatusPartialContent)] = &huma.Response{Description: "The part that Range names.", Content: success.Content}
	}
	for _, status := range op.problems() {
		out.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: titleOf(status) + ": " + strings.Join(codesOf(status), ", ") + ".",
			Content:     map[string]*huma.MediaType{contentProblem: {Schema: a.schema(v1Problem{})}},
		}
	}
}

// problems is every status that an operation's problems may have.
func (op *operation) problems() []int {
	all := append([]int{400, 405, 406, 408, 413, 500}, op.refuses...)
	if !op.probe {
		all = append(all, 503)
	}
	if op.method != fiber.MethodGet {
		all = append(all, 403, 507)
	}
	sort.Ints(all)
	return slices.Compact(all)
}

// codesOf lists the codes that a status may come with.
func codesOf(status int) []string {
	var all []string
	for _, row := range errorRows() {
		if row.status == status {
			all = append(all, row.code)
		}
	}
	return all
}

// errorRows is every code of /v1 with its status.
func errorRows() []problemRow {
	var rows []problemRow
	for _, doc := range session.Codes() {
		rows = append(rows, problemRow{string(doc.Code), statuses[doc.Code], doc.Doc})
	}
	return append(rows, httpProblems()...)
}

// Document is docs/api.md: the operations and the codes of /v1, for people.
func Document() string {
	var b strings.Builder
	b.WriteString("# The API: /v1\n\n<!-- Generated by `go generate ./httpapi`. Change the tables in httpapi instead. -->\n\n" + documentHead)
	b.WriteString("## Operations\n\n| call | does |\n|---|---|\n")
	a := newAPI()
	for i := range a.operations {
		op := &a.operations[i]
		fmt.Fprintf(&b, "| `%s %s` | %s |\n", op.method, documented(op.path), join(op.summary+".", op.detail))
	}
	b.WriteString("\n## Codes\n\n| code | status | meaning |\n|---|---|---|\n")
	rows := errorRows()
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].status < rows[j].status })
	for _, row := range rows {
		fmt.Fprintf(&b, "| `%s` | %d | %s |\n", row.code, row.status, row.doc)
	}
	return b.String()
}

const documentHead = "The machine-readable form is [openapi.json](openapi.json): the process serves it as `GET /openapi.json`, `/openapi.yaml`, and as a\n" +
	"page for people under `/docs`, without internet.\n\n" +
	"Errors are problem details (RFC 9457, `application/problem+json`): `status`, a stable `code`, `detail` for people, and for\n" +
	"`invalid_request` the `field` and all `errors`. A field without a value is left out of an answer. A session has what people want\n" +
	"(`desired`) apart from what is seen (`state`, `cause`); the verbs are idempotent and answer both.\n\n"

func getOpenAPIJSON(s *Server, k *call) error {
	asJSON, _ := s.api.written()
	return send(k, contentJSON, asJSON)
}

func getOpenAPIYAML(s *Server, k *call) error {
	_, asYAML := s.api.written()
	return send(k, contentYAML, asYAML)
}
