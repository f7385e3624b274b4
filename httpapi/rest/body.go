package rest

import (
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/wire"
)

// readBody returns the body after checking that it is JSON and matches the operation's schema.
func (k *Call) readBody() ([]byte, error) {
	op := k.op
	if encoding := k.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		// Decompressing would let a small request become a large one.
		return nil, HTTPProblem(CodeMediaType, "Content-Encoding: expected none")
	}
	body := WithoutMark(k.Request().Body())
	if len(body) == 0 {
		if op.Input.Optional {
			return nil, nil
		}
		return nil, BadField("body", "expected a JSON object")
	}
	media, _, _ := strings.Cut(k.Get(fiber.HeaderContentType), ";")
	switch media = strings.ToLower(strings.TrimSpace(media)); {
	case media == "", media == ContentJSON:
	case media == "application/merge-patch+json" && op.Method == fiber.MethodPatch:
	default:
		return nil, HTTPProblem(CodeMediaType, "Content-Type: expected "+ContentJSON)
	}
	if err := k.api.fit(op, body); err != nil {
		return nil, err
	}
	return slices.Clone(body), nil
}

// fit checks a body against the operation's schema.
func (a *API) fit(op *Operation, body []byte) error {
	if err := StrictJSON(body); err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		var number *json.UnmarshalTypeError
		if errors.As(err, &number) {
			return BadField("body", "expected numbers up to 1.8e308")
		}
		return BadField("body", "expected a JSON object")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return BadField("body", "expected a JSON object")
	}
	return a.checkBody(op, object)
}

func (a *API) checkBody(op *Operation, object map[string]any) error {
	schema := a.registry.Schema(reflect.TypeOf(op.Body), false, "")
	if items, is := object[op.Input.Each].([]any); is {
		for i := range items {
			items[i] = "" // in place of what the handler checks
		}
	}
	var wrong []wire.FieldError
	a.dropUnknown(schema, object, "", &wrong)
	var result huma.ValidateResult
	huma.Validate(a.registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, object, &result)
	for _, err := range result.Errors {
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			continue
		}
		field, message := detail.Location, detail.Message
		if message == validation.MsgExpectedMatchExactlyOneSchema {
			message = "expected a text, or an object as events have it"
		}
		if rest, ok := strings.CutPrefix(message, "expected required property "); ok {
			name, _, _ := strings.Cut(rest, " ")
			field, message = strings.TrimPrefix(field+"."+name, "."), "is missing"
		}
		wrong = append(wrong, wire.FieldError{Field: Clipped(field), Detail: message})
	}
	slices.SortFunc(wrong, func(x, y wire.FieldError) int { return strings.Compare(x.Field, y.Field) })
	return refuse(wrong)
}

// dropUnknown removes fields that a schema does not have, on every level, and adds them to wrong. Huma, like Go, ignores
// the case of names, so it would accept two spellings of one name.
func (a *API) dropUnknown(schema *huma.Schema, value any, path string, wrong *[]wire.FieldError) {
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
				*wrong = append(*wrong, wire.FieldError{Field: Clipped(field), Detail: "unknown field"})
				delete(value, name)
			}
		}
	}
}

// refuse returns one problem for all errors of a request, nil if there are none.
func refuse(wrong []wire.FieldError) error {
	if len(wrong) == 0 {
		return nil
	}
	p := BadField(wrong[0].Field, wrong[0].Detail)
	p.Fields = wrong[:min(len(wrong), 20)]
	return p
}

// TimedOut reports whether err is a timeout of a connection.
func TimedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
