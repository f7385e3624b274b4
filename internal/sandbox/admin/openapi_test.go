package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/sandbox-openapi.json")

const committed = "../../../docs/sandbox-openapi.json"

func TestTheCommittedDocumentIsTheGeneratedOne(t *testing.T) {
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false) // as the server
	encoder.SetIndent("", "  ")
	must(t, encoder.Encode(document((&api{}).routes())))
	generated := written.Bytes()
	if *update {
		must(t, os.WriteFile(committed, generated, 0o600))
	}
	have, err := os.ReadFile(committed)
	must(t, err)
	if !bytes.Equal(have, generated) {
		t.Fatal("docs/sandbox-openapi.json is out of date: make generate")
	}
}

func TestTheServerServesItsDocument(t *testing.T) {
	f := newFixture(t)
	have, err := os.ReadFile(committed)
	must(t, err)
	var compact bytes.Buffer
	must(t, json.Compact(&compact, have))
	if got := f.get("/openapi.json"); got.status != 200 || got.body != compact.String() {
		t.Errorf("answered %d and %d bytes, the committed document has %d", got.status, len(got.body), compact.Len())
	}
	f.send("POST", "/openapi.json", "", "").is(t, 405, `{"error":{"code":"method_not_allowed","message":"expected GET"}}`)
}

func TestEveryOperationIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, route := range (&api{}).routes() {
		for method, o := range route.operations {
			where := method + " " + route.path
			if seen[o.id] || !regexp.MustCompile(`^[a-z]+[A-Za-z]+$`).MatchString(o.id) {
				t.Errorf("%s: the id %q is empty, taken or not a name", where, o.id)
			}
			seen[o.id] = true
			if !regexp.MustCompile(`^[A-Z][^.]*[a-z]$`).MatchString(o.summary) {
				t.Errorf("%s has the summary %q: expected an imperative without a full stop", where, o.summary)
			}
			if o.detail != "" && !strings.HasSuffix(o.detail, ".") {
				t.Errorf("%s has the detail %q: expected whole sentences", where, o.detail)
			}
			if (o.do == nil) == (o.stream == nil) {
				t.Errorf("%s: expected an action or a stream", where)
			}
			if (o.out == nil && !o.file) != (o.status == 204) {
				t.Errorf("%s: answers %d with the example %v", where, o.status, o.out)
			}
			for _, parameter := range o.parameters(route.path) {
				if parameter["schema"] == nil {
					t.Errorf("%s: the parameter %s is not explained", where, parameter["name"])
				}
			}
		}
	}
}

// Counters and Event are types of the package observe and described there. The OpenAPI document is the only description of
// all others.
func TestEveryFieldOfTheAPIIsExplained(t *testing.T) {
	var look func(of reflect.Type)
	seen := map[reflect.Type]bool{}
	look = func(of reflect.Type) {
		switch {
		case of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer:
			look(of.Elem())
			return
		case of.Kind() != reflect.Struct || seen[of] || !strings.Contains(of.PkgPath(), "/sandbox/") || strings.HasSuffix(of.PkgPath(), "/observe"):
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			field := of.Field(i)
			if field.Anonymous {
				look(field.Type)
				continue
			}
			if field.Tag.Get("doc") == "" || field.Tag.Get("json") == "" {
				t.Errorf("%s.%s has no tag json or doc", of.Name(), field.Name)
			}
			if kind, ok := new(schemas).ofType(field.Type)["type"].(string); ok && strings.HasPrefix(kind, "unknown") {
				t.Errorf("%s.%s: the schema's type is %s", of.Name(), field.Name, kind)
			}
			if list := field.Tag.Get("values"); list != "" && len(wordLists()[list]) == 0 {
				t.Errorf("%s.%s takes its values from %s, which is not a list", of.Name(), field.Name, list)
			}
			look(field.Type)
		}
	}
	look(reflect.TypeFor[errorBody]())
	for _, route := range (&api{}).routes() {
		for _, o := range route.operations {
			for _, example := range []any{o.in, o.out} {
				if example != nil {
					look(reflect.TypeOf(example))
				}
			}
		}
	}
	source, err := os.ReadFile("dto.go")
	must(t, err)
	for _, name := range []string{"messages_dto.go", "groups.go", "media.go", "chats.go", "calls.go"} {
		more, err := os.ReadFile(name)
		must(t, err)
		source = append(source, more...)
	}
	for _, found := range regexp.MustCompile(`(?m)^type (\w+) struct`).FindAllStringSubmatch(string(source), -1) {
		if !slices.ContainsFunc(seenNames(seen), func(name string) bool { return name == found[1] }) {
			t.Errorf("%s is in no operation", found[1])
		}
	}
}

func seenNames(seen map[reflect.Type]bool) []string {
	var names []string
	for t := range seen {
		names = append(names, t.Name())
	}
	return names
}

func TestEveryExampleIsWhatItsSchemaSays(t *testing.T) {
	described := readDocument(t)
	for path, item := range described["paths"].(object) {
		for method, operation := range item.(object) {
			bodies := []any{operation.(object)["requestBody"]}
			for _, response := range operation.(object)["responses"].(object) {
				bodies = append(bodies, response)
			}
			for _, body := range bodies {
				content, _ := field(body, "content", "application/json").(object)
				if content["example"] == nil {
					continue
				}
				for _, problem := range described.check(content["schema"].(object), content["example"], "example") {
					t.Errorf("%s %s: %s", method, path, problem)
				}
			}
		}
	}
}

// read is the document decoded from the committed file.
type read object

func readDocument(t *testing.T) read {
	t.Helper()
	raw, err := os.ReadFile(committed)
	must(t, err)
	var described read
	must(t, json.Unmarshal(raw, &described))
	return described
}

func field(value any, names ...string) any {
	for _, name := range names {
		of, _ := value.(object)
		value = of[name]
	}
	return value
}

// holds checks a real answer against the document's description of its operation. The fixture calls it for every
// request, so every test of this package tests the document as well.
func (d read) holds(t *testing.T, method, path string, a answer) {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	for template, item := range d["paths"].(object) {
		pattern := "^" + inBraces.ReplaceAllString(template, "[^/]+") + "$"
		operation := field(item, strings.ToLower(method))
		if operation == nil || !regexp.MustCompile(pattern).MatchString(path) {
			continue
		}
		responses := operation.(object)["responses"].(object)
		response, said := responses[strconv.Itoa(a.status)]
		if !said {
			response = responses["default"]
		}
		if !said && a.status < 400 {
			t.Errorf("%s %s answers %d, which the document does not say", method, path, a.status)
		}
		schema, _ := field(response, "content", "application/json", "schema").(object)
		if field(response, "content", "*/*") != nil {
			return
		}
		if (schema == nil) != (a.body == "") {
			t.Errorf("%s %s answers %q, the document says otherwise", method, path, a.body)
		}
		if schema == nil {
			return
		}
		var body any
		must(t, json.Unmarshal([]byte(a.body), &body))
		for _, problem := range d.check(schema, body, "body") {
			t.Errorf("%s %s: %s", method, path, problem)
		}
		return
	}
}

// check lists where a value differs from its schema. It knows only the keywords that our schemas use. It rejects a
// field that the schema does not name even where JSON Schema would allow it.
func (d read) check(schema object, value any, at string) []string {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		target, ok := field(object(d), "components", "schemas", name).(object)
		if !ok {
			return []string{at + ": no schema " + ref}
		}
		return d.check(target, value, at)
	}
	wrong := func(format string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(format, args...)} }
	if several, ok := schema["anyOf"].([]any); ok {
		for _, one := range several {
			if d.check(one.(object), value, at) == nil {
				return nil
			}
		}
		return wrong("%v is none of several", value)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		return wrong("%v is none of %v", value, enum)
	}
	switch schema["type"] {
	case "string":
		text, ok := value.(string)
		if !ok {
			return wrong("%v is no string", value)
		}
		if _, err := time.Parse(time.RFC3339, text); err != nil && schema["format"] == "date-time" {
			return wrong("%q is no time", text)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return wrong("%v is neither true nor false", value)
		}
	case "integer":
		number, ok := value.(float64)
		if least, bounded := schema["minimum"].(float64); !ok || number != float64(int64(number)) || bounded && number < least {
			return wrong("%v is no whole number in its bounds", value)
		}
	case "number":
		if _, ok := value.(float64); !ok {
			return wrong("%v is no number", value)
		}
	case "array":
		list, ok := value.([]any)
		if !ok {
			return wrong("%v is no list", value)
		}
		var problems []string
		for i, item := range list {
			problems = append(problems, d.check(schema["items"].(object), item, fmt.Sprintf("%s[%d]", at, i))...)
		}
		return problems
	case "object":
		return d.checkObject(schema, value, at)
	default:
		return wrong("the schema's type is %v", schema["type"])
	}
	return nil
}

func (d read) checkObject(schema object, value any, at string) []string {
	fields, ok := value.(object)
	if !ok {
		return []string{fmt.Sprintf("%s: %v is no object", at, value)}
	}
	properties, named := schema["properties"].(object)
	others, _ := schema["additionalProperties"].(object)
	if !named && others == nil {
		return nil // a format that others define
	}
	var problems []string
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, there := fields[name.(string)]; !there {
			problems = append(problems, fmt.Sprintf("%s has no %s", at, name))
		}
	}
	for name, value := range fields {
		of, known := properties[name].(object)
		if !known {
			of = others
		}
		if of == nil && schema["additionalProperties"] == true {
			continue
		}
		if of == nil {
			problems = append(problems, fmt.Sprintf("%s.%s is not in the schema", at, name))
			continue
		}
		problems = append(problems, d.check(of, value, at+"."+name)...)
	}
	return problems
}

func TestTheCheckOfSchemasRefusesWhatItShould(t *testing.T) {
	described := readDocument(t)
	for schema, bad := range map[string][]string{
		"SendRequest":  {`{"text":"x"}`, `{"to":1,"text":"x"}`, `{"to":"1","text":"x","more":1}`, `[]`},
		"PhoneRequest": {`{"script":"dance"}`},
		"Fault":        {`{"id":"1","kind":"no_pong","count":1.5,"applied":0}`, `{"id":"1","kind":"no_pong","count":1}`},
		"Devices":      {`{"devices":{}}`, `{"devices":[1]}`},
		"Passkey":      {`{"required":"yes"}`},
		"Message":      {`{"id":"","chat":"","from":"","to":"","device":-1,"from_me":true,"type":"","text":"","time":"now","status":"sent","copies":1}`},
	} {
		for _, text := range bad {
			var value any
			must(t, json.Unmarshal([]byte(text), &value))
			if described.check(object{"$ref": "#/components/schemas/" + schema}, value, "body") == nil {
				t.Errorf("%s is taken for a %s", text, schema)
			}
		}
	}
}
