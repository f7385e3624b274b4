package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

const labelPrefix = "metadata."

// readQuery takes the parameters that the operation has and refuses all others: a filter that is misspelt and ignored
// would answer with what nobody asked for.
func (k *call) readQuery(api *api, op *operation) error {
	var wrong []v1FieldError
	k.query = make(map[string]string)
	for key, value := range k.Context().QueryArgs().All() {
		name, text := string(key), string(value)
		if label, ok := strings.CutPrefix(name, labelPrefix); ok && op.labels && label != "" {
			if _, twice := k.labels[label]; twice {
				wrong = append(wrong, v1FieldError{name, "expected once"})
			}
			if k.labels == nil {
				k.labels = make(map[string]string)
			}
			k.labels[label] = text
			continue
		}
		i := slices.IndexFunc(op.query, func(p parameter) bool { return p.name == name })
		if i < 0 {
			wrong = append(wrong, v1FieldError{clipped(name), "unknown parameter; expected " + op.parameters()})
			continue
		}
		if _, twice := k.query[name]; twice {
			wrong = append(wrong, v1FieldError{name, "expected once"})
			continue
		}
		k.query[name] = text
		if problem := api.checkParameter(&op.query[i], text); problem != "" {
			wrong = append(wrong, v1FieldError{name, problem})
		}
	}
	return refuse(wrong)
}

// parameters names what the operation takes, for people.
func (op *operation) parameters() string {
	var names []string
	for i := range op.query {
		names = append(names, op.query[i].name)
	}
	if op.labels {
		names = append(names, labelPrefix+"KEY")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (a *api) checkParameter(p *parameter, text string) string {
	var value any = text
	switch p.schema.Type {
	case huma.TypeInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "expected an integer"
		}
		value = n
	case huma.TypeBoolean:
		if text != "true" && text != "false" {
			return "expected true or false"
		}
		value = text == "true"
	}
	var result huma.ValidateResult
	huma.Validate(a.registry, p.schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	if len(result.Errors) == 0 {
		return ""
	}
	var detail *huma.ErrorDetail
	if errors.As(result.Errors[0], &detail) {
		return detail.Message
	}
	return "not acceptable"
}

// integer is an integer parameter, def where it is absent.
func (k *call) integer(name string, def int) int {
	if n, err := strconv.Atoi(k.query[name]); err == nil {
		return n
	}
	return def
}

// wait is ?wait=, or the default.
func (s *Server) wait(k *call, def time.Duration) (time.Duration, error) {
	text, given := k.query["wait"]
	if !given {
		return def, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < minWait || wait > s.cfg.MaxWait {
		return 0, badField("wait", fmt.Sprintf("expected a duration from %s to %s, such as 25s", minWait, s.cfg.MaxWait))
	}
	return wait, nil
}

// readBody gives the body once it is JSON that fits the operation's schema.
func readBody(api *api, c *fiber.Ctx, op *operation) ([]byte, error) {
	if encoding := c.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		// Decompressing would let a small request become a large one.
		return nil, httpProblem(probMedia, "Content-Encoding: expected none")
	}
	body := c.Request().Body()
	if len(body) == 0 {
		if op.optional {
			return nil, nil
		}
		return nil, badField("body", "expected a JSON object")
	}
	media, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	switch media = strings.ToLower(strings.TrimSpace(media)); {
	case media == "", media == contentJSON:
	case media == "application/merge-patch+json" && op.method == fiber.MethodPatch:
	default:
		return nil, httpProblem(probMedia, "Content-Type: expected "+contentJSON)
	}
	if err := fitJSON(api, op, body); err != nil {
		return nil, err
	}
	return slices.Clone(body), nil
}

// fitJSON holds a body against the operation's schema.
func fitJSON(api *api, op *operation, body []byte) error {
	if err := strictJSON(body); err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		var number *json.UnmarshalTypeError
		if errors.As(err, &number) {
			return badField("body", "expected numbers up to 1.8e308")
		}
		return badField("body", "expected a JSON object")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return badField("body", "expected a JSON object")
	}
	return api.checkBody(op, object)
}

// strictJSON refuses what Go's decoder would take and change.
func strictJSON(body []byte) error {
	if !utf8.Valid(body) {
		// Go's decoder would replace what it cannot read.
		return badField("body", "expected JSON in UTF-8")
	}
	if at := halfCharacter(body); at >= 0 {
		return badField("body", fmt.Sprintf("expected whole characters; at byte %d a \\u escape has half of one", at))
	}
	return wellFormed(body)
}

// halfCharacter finds an escaped surrogate without its other half, which Go's decoder would replace; -1: there is none.
func halfCharacter(body []byte) int {
	escaped := func(at int) (rune, bool) {
		if at+6 > len(body) || body[at] != '\\' || body[at+1] != 'u' {
			return 0, false
		}
		code, err := strconv.ParseUint(string(body[at+2:at+6]), 16, 16)
		return rune(code), err == nil
	}
	for at := 0; at < len(body); at++ {
		if body[at] != '\\' { // backslashes stand in strings only
			continue
		}
		first, ok := escaped(at)
		switch second, _ := escaped(at + 6); {
		case !ok || !utf16.IsSurrogate(first):
			at++
		case utf16.DecodeRune(first, second) == utf8.RuneError:
			return at
		default:
			at += 11
		}
	}
	return -1
}

func strictText(field, text string) error {
	if !utf8.ValidString(text) {
		return badField(field, "expected UTF-8")
	}
	return nil
}

// maxDepth of nested JSON is far beyond what any body needs.
const maxDepth = 32

// wellFormed refuses what is no JSON, and an object that has a name twice: Go takes the last one of two, others the
// first, and a proxy in between that checks bodies would have seen another request.
func wellFormed(body []byte) error {
	type level struct {
		names map[string]bool // nil: an array
		name  bool            // a name is next
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var stack []level
	value := func() {
		if n := len(stack); n > 0 && stack[n-1].names != nil {
			stack[n-1].name = true
		}
	}
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && len(stack) == 0:
			return nil
		case err != nil:
			return badField("body", fmt.Sprintf("expected JSON; it breaks at byte %d", decoder.InputOffset()))
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			next := level{}
			if token == json.Delim('{') {
				next = level{names: make(map[string]bool), name: true}
			}
			if stack = append(stack, next); len(stack) > maxDepth {
				return badField("body", fmt.Sprintf("expected JSON that is nested at most %d deep", maxDepth))
			}
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			value()
			continue
		}
		if n := len(stack); n > 0 && stack[n-1].name {
			name, _ := token.(string)
			if stack[n-1].names[name] {
				return badField(clipped(name), "expected once")
			}
			stack[n-1].names[name], stack[n-1].name = true, false
			continue
		}
		value()
	}
}

func (a *api) checkBody(op *operation, object map[string]any) error {
	schema := a.registry.Schema(reflect.TypeOf(op.body), false, "")
	var wrong []v1FieldError
	a.dropUnknown(schema, object, "", &wrong)
	var result huma.ValidateResult
	huma.Validate(a.registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, object, &result)
	for _, err := range result.Errors {
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			continue
		}
		field, message := detail.Location, detail.Message
		if rest, ok := strings.CutPrefix(message, "expected required property "); ok {
			name, _, _ := strings.Cut(rest, " ")
			field, message = strings.TrimPrefix(field+"."+name, "."), "is missing"
		}
		wrong = append(wrong, v1FieldError{clipped(field), message})
	}
	slices.SortFunc(wrong, func(x, y v1FieldError) int { return strings.Compare(x.Field, y.Field) })
	return refuse(wrong)
}

// dropUnknown refuses names that a schema does not have, on every level. Huma, as Go, takes a name in any case; two
// spellings of one name would then both be taken.
func (a *api) dropUnknown(schema *huma.Schema, value any, path string, wrong *[]v1FieldError) {
	for schema != nil && schema.Ref != "" {
		schema = a.registry.SchemaFromRef(schema.Ref)
	}
	if schema == nil {
		return
	}
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			a.dropUnknown(schema.Items, item, path+"["+strconv.Itoa(i)+"]", wrong)
		}
	case map[string]any:
		for _, choice := range schema.OneOf {
			if choice.Type == huma.TypeObject {
				schema = choice
			}
		}
		closed, ok := schema.AdditionalProperties.(bool)
		for name, inner := range value {
			field := strings.TrimPrefix(path+"."+name, ".")
			switch property := schema.Properties[name]; {
			case property != nil:
				a.dropUnknown(property, inner, field, wrong)
			case ok && !closed:
				*wrong = append(*wrong, v1FieldError{clipped(field), "unknown field"})
				delete(value, name)
			}
		}
	}
}

// refuse makes one problem of all that is wrong with a request, nil where nothing is.
func refuse(wrong []v1FieldError) error {
	if len(wrong) == 0 {
		return nil
	}
	p := badField(wrong[0].Field, wrong[0].Detail)
	p.fields = wrong[:min(len(wrong), 20)]
	return p
}

// decode reads a body that passed the checks; what it has no field for cannot be in there any more.
func (k *call) decode(into any) error {
	if k.body == nil {
		return nil
	}
	if err := json.Unmarshal(k.body, into); err != nil {
		return &session.Error{Code: session.CodeInternal, Op: "decode a body that was checked", Err: err}
	}
	return nil
}

// clipped bounds what is repeated of a request.
func clipped(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
