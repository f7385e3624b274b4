package admin

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

// wordLists holds the allowed values of fields with the tag values, by the name in the tag.
func wordLists() map[string][]string {
	lists := map[string][]string{
		"scripts":  words(phones.ScriptRead, phones.ScriptEcho, phones.ScriptDeliver, phones.ScriptSlow, phones.ScriptSilent),
		"statuses": words(phones.StatusSent, phones.StatusDelivered, phones.StatusReceived, phones.StatusRead),
		"faults":   words(faults.Kinds()...),
		"events":   words(observe.EventKinds()...),

		"call_states":     words(calls.Ringing, calls.Accepted, calls.Rejected, calls.Ended),
		"chat_states":     words(phones.StateComposing, phones.StateRecording, phones.StatePaused),
		"scenario_states": words(sandbox.ScenarioRunning, sandbox.ScenarioDone, sandbox.ScenarioStopped),
	}
	return lists
}

func words[S ~string](list ...S) []string {
	texts := make([]string, 0, len(list))
	for _, word := range list {
		texts = append(texts, string(word))
	}
	return texts
}

// schemas collects the schemas of Go types under their names in the document.
type schemas struct{ named object }

// of returns the schema of a value's type.
func (s *schemas) of(value any) object { return s.ofType(reflect.TypeOf(value)) }

func (s *schemas) ofType(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{"type": "object"} // a format that others define: WebAuthn, OpenAPI
	case reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}
	case reflect.TypeFor[shownQR]():
		return object{"anyOf": []object{{"type": "string"}, {"type": "object", "properties": object{"code": object{"type": "string"}}, "required": []string{"code"}}}}
	case reflect.TypeFor[observe.EventKind]():
		return object{"type": "string", "enum": wordLists()["events"]}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": s.ofType(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.ofType(t.Elem())}
	case reflect.Pointer:
		return s.ofType(t.Elem())
	case reflect.Struct:
		return s.ref(t)
	default:
		// TestEveryFieldOfTheAPIIsExplained fails on this type.
		return object{"type": "unknown: " + t.String()}
	}
}

// open makes the schema of a request allow other fields: a client's answer is posted as it is.
func (s *schemas) open(request any) {
	if named, ok := s.named[nameOf(reflect.TypeOf(request))].(object); ok {
		named["additionalProperties"] = true
	}
}

// nameOf returns the name of a struct in the document.
func nameOf(t reflect.Type) string {
	name := strings.TrimSuffix(t.Name(), "Body")
	return strings.ToUpper(name[:1]) + name[1:]
}

// ref stores the schema of a struct under its name and returns a reference to it.
func (s *schemas) ref(t reflect.Type) object {
	name := nameOf(t)
	if s.named == nil {
		s.named = object{}
	}
	if _, known := s.named[name]; !known {
		s.named[name] = object{} // a type may contain itself
		s.named[name] = s.ofStruct(t, strings.HasSuffix(name, "Request") || strings.HasSuffix(name, "Change"))
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// ofStruct returns the schema of a struct. A request requires the fields with the
// tag need and allows no others; an answer has every field without omitempty.
func (s *schemas) ofStruct(t reflect.Type, request bool) object {
	properties, required := object{}, []string{}
	for _, field := range reflect.VisibleFields(t) {
		if field.Anonymous {
			continue // VisibleFields lists its fields as well
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		schema := s.ofType(field.Type)
		if list := field.Tag.Get("values"); list != "" {
			if items, ok := schema["items"].(object); ok {
				items["enum"] = wordLists()[list]
			} else {
				schema["enum"] = wordLists()[list]
			}
		}
		if description := field.Tag.Get("doc"); description != "" {
			schema["description"] = description
		}
		properties[name] = schema
		if field.Tag.Get("need") != "" || !request && options != "omitempty" {
			required = append(required, name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if request {
		schema["additionalProperties"] = false
	}
	return schema
}

// withoutZeros returns a request's example without its zero fields, as people
// write one.
func withoutZeros(value any) any {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Struct {
		return value
	}
	given := object{}
	for _, field := range reflect.VisibleFields(v.Type()) {
		if value := v.FieldByIndex(field.Index); !field.Anonymous && !value.IsZero() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			given[name] = value.Interface()
		}
	}
	return given
}
