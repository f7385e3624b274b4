package admin

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:generate go test -count=1 -run ^TestTheCommittedDocumentIsTheGeneratedOne$ . -update

// object is a JSON object of the document. encoding/json sorts its keys, so the
// document is the same every time.
type object = map[string]any

// parameters describes the path and query parameters by name. A name means the
// same in every route.
func parameters() map[string]object {
	parameter := func(schema object, description string) object {
		return object{"description": description, "schema": schema}
	}
	text := object{"type": "string"}
	number := object{"type": "string", "pattern": `^\+?[0-9]{7,15}$`}
	duration := object{"type": "string", "examples": []string{"10s"}}
	return map[string]object{
		"number":  parameter(number, "The number of a phone."),
		"id":      parameter(text, "The id of a message, a file, a call, a fault or a scenario."),
		"speed":   parameter(object{"type": "number"}, "The factor by which the scenario's clock runs faster, for a body in YAML. Default 1."),
		"jid":     parameter(text, "The JID of a linked device, such as "+exampleDevice+", or of a group, such as "+exampleGroup().JID+"."),
		"code":    parameter(object{"type": "integer", "enum": []int{403, 404, 410}}, "The status of later downloads, 410 by default."),
		"wait":    parameter(duration, "The longest time to wait, up to 2m."),
		"after":   parameter(text, "The id of a message. Only later messages are listed."),
		"kind":    parameter(object{"type": "string", "enum": wordLists()["events"]}, "Only events of this kind."),
		"account": parameter(number, "Only events of this phone."),
		"chat":    parameter(text, "A number, a JID or the JID of a group."),
		"picture": parameter(text, "The id of the picture, so that caches tell one from the next. The answer is the current picture in any case."),
		"contact": parameter(text, "A number or a JID."),
		"lost":    parameter(object{"type": "boolean"}, "Whether the phones lose their copy of the file, too."),
	}
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// document is the OpenAPI 3.1 description of all routes.
func document(routes []route) object {
	schemas := schemas{}
	failure := schemas.of(errorBody{})
	paths := object{}
	for _, route := range routes {
		item := object{}
		for method, operation := range route.operations {
			item[strings.ToLower(method)] = operation.describe(route, &schemas, failure)
		}
		paths[strings.TrimSuffix(route.path, "{$}")] = item
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "wasup sandbox, admin API",
			"version":     "1",
			"description": "Controls a WhatsApp server for one machine: virtual phones, messages, faults. Loopback only, without authentication. Durations are written 500ms, 1.5s, 10m.",
			"license":     object{"name": "MPL-2.0", "identifier": "MPL-2.0"},
		},
		"servers":    []object{{"url": Prefix}},
		"security":   []object{},
		"paths":      paths,
		"components": object{"schemas": schemas.named},
	}
}

func (o operation) describe(route route, schemas *schemas, failure object) object {
	status := o.status
	if status == 0 {
		status = http.StatusOK
	}
	success := object{"description": http.StatusText(status)}
	if o.out != nil {
		content := object{"application/json": object{"schema": schemas.of(o.out), "example": o.out}}
		if o.stream != nil {
			content["text/event-stream"] = object{"schema": object{"type": "string", "description": "the kind of the event as event, and the event in JSON as data"}}
		}
		success["content"] = content
	}
	if o.file {
		success["content"] = object{"*/*": object{"schema": object{"type": "string", "format": "binary"}}}
	}
	refused := object{"application/json": object{"schema": failure}}
	responses := object{
		strconv.Itoa(status): success,
		"default":            object{"description": "An error. For bad input the status is 400, with the field and what was expected.", "content": refused},
	}
	if o.shown {
		responses["422"] = object{"description": "The body is a client's answer that has no code (no_code). The message repeats the client's reason.", "content": refused}
	}
	described := object{"operationId": o.id, "summary": o.summary, "responses": responses}
	if o.detail != "" {
		described["description"] = o.detail
	}
	if list := o.parameters(route.path); len(list) > 0 {
		described["parameters"] = list
	}
	if o.in != nil {
		schema := schemas.of(o.in)
		if o.shown {
			schemas.open(o.in)
		}
		content := object{"application/json": object{"schema": schema, "example": withoutZeros(o.in)}}
		if o.picture {
			binary := object{"schema": object{"type": "string", "format": "binary"}}
			content["image/png"], content["image/jpeg"] = binary, binary
			content["multipart/form-data"] = object{"schema": object{
				"type": "object", "description": "a form whose first file is the picture, whatever its field is called",
				"additionalProperties": object{"type": "string", "format": "binary"},
			}}
		}
		if o.yaml {
			content["application/yaml"] = object{"schema": object{"type": "string", "description": "a scenario file; docs/sandbox.md describes it"}}
		}
		described["requestBody"] = object{"required": true, "content": content}
	}
	if o.jpeg {
		described["requestBody"] = object{"required": true, "content": object{"image/jpeg": object{"schema": object{"type": "string", "format": "binary"}}}}
	}
	return described
}

func (o operation) parameters(path string) []object {
	known := parameters()
	var list []object
	add := func(name, where string) {
		parameter := object{"name": name, "in": where}
		maps.Copy(parameter, known[name])
		if where == "path" {
			parameter["required"] = true
		}
		list = append(list, parameter)
	}
	for _, found := range inBraces.FindAllStringSubmatch(path, -1) {
		add(found[1], "path")
	}
	for _, name := range slices.Sorted(slices.Values(o.query)) {
		add(name, "query")
	}
	return list
}

func (a *api) openAPI(r *http.Request) (int, any, error) {
	return http.StatusOK, document(a.routes()), nil
}
