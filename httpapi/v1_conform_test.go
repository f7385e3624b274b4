package httpapi

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// conform holds an answer of /v1 against the OpenAPI document: its status, its format and every field.
func conform(t testing.TB, api *api, method, path string, answer reply) {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	for i := range api.operations {
		op := &api.operations[i]
		place := place{parts: strings.Split(strings.ToLower(op.path), "/")}
		if !place.matches(strings.ToLower(path)) || (op.method != method && (op.method != fiber.MethodGet || method != fiber.MethodHead)) {
			continue
		}
		described := api.describe(op).Responses[strconv.Itoa(answer.status)]
		if described == nil {
			t.Errorf("%s %s: status %d is not in the document", method, path, answer.status)
			return
		}
		format, _, _ := strings.Cut(answer.header.Get("Content-Type"), ";")
		media := described.Content[format]
		if media == nil && described.Content[contentAny] != nil {
			return
		}
		if media == nil {
			if answer.status != fiber.StatusNoContent && answer.status != fiber.StatusNotModified || answer.body != "" {
				t.Errorf("%s %s: %d in %q is not in the document", method, path, answer.status, format)
			}
			return
		}
		if method != fiber.MethodHead && (format == contentJSON || format == contentProblem) {
			fits(t, api, media.Schema, answer.body)
		}
		return
	}
	if answer.status != fiber.StatusNotFound && answer.status != fiber.StatusMethodNotAllowed && strings.HasPrefix(path, "/v1") {
		t.Errorf("%s %s: %d from a route that is not in the document", method, path, answer.status)
	}
}

func fits(t testing.TB, api *api, schema *huma.Schema, text string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Errorf("no JSON: %v\n%s", err, text)
		return
	}
	var result huma.ValidateResult
	huma.Validate(api.registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
	for _, err := range result.Errors {
		t.Errorf("the document says otherwise: %v\n%s", err, text)
	}
}

func TestTheCheckOfAnswersFindsWhatIsWrong(t *testing.T) {
	api := newAPI()
	for _, wrong := range []string{
		`{"id":"a","state":"READY","cause":"connected"}`,
		`{"type":"x","title":"x","status":"400","code":"x"}`,
		`{"type":"x","title":"x","status":400,"code":"x","more":1}`,
		`{"type":"x","title":"x","status":400,"code":"x","state":"SLEEPY"}`,
	} {
		var value any
		if err := json.Unmarshal([]byte(wrong), &value); err != nil {
			t.Fatal(err)
		}
		var result huma.ValidateResult
		huma.Validate(api.registry, api.schema(v1Problem{}), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
		if len(result.Errors) == 0 {
			t.Errorf("nothing is found in %s", wrong)
		}
	}
}

func TestTheCommittedDocumentIsTheOneThatIsServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{}, &scripted{})
	committed, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	answer := r.do(t, "GET", "/openapi.json", "")
	if answer.status != 200 || answer.body != string(committed) {
		t.Error("docs/openapi.json differs from GET /openapi.json; run go generate ./httpapi")
	}
	guide, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(guide) != Document() {
		t.Error("docs/api.md is out of date; run go generate ./httpapi")
	}
	var document struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                     `json:"operationId"`
			Responses   map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(committed, &document); err != nil || !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Fatalf("%v, %q", err, document.OpenAPI)
	}
	names, operations := map[string]bool{}, 0
	for path, methods := range document.Paths {
		for method, op := range methods {
			operations++
			if names[op.OperationID] || op.OperationID == "" || len(op.Responses) < 2 {
				t.Errorf("%s %s: operation %q, %d responses", method, path, op.OperationID, len(op.Responses))
			}
			names[op.OperationID] = true
		}
	}
	if operations != len(r.api.operations) {
		t.Errorf("%d operations in the document, %d in the table", operations, len(r.api.operations))
	}
	for _, ref := range bytes.Split(committed, []byte(`"$ref": "#/components/schemas/`))[1:] {
		name, _, _ := strings.Cut(string(ref), `"`)
		if document.Components.Schemas[name] == nil {
			t.Errorf("the document refers to %s, which it does not have", name)
		}
	}
	yaml := r.do(t, "GET", "/openapi.yaml", "")
	if yaml.status != 200 || !strings.Contains(yaml.body, "operationId: createSession") || yaml.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("YAML: %d %s", yaml.status, yaml.header.Get("Content-Type"))
	}
}

func TestEveryCodeHasAStatusInV1(t *testing.T) {
	rows := errorRows()
	seen := make(map[string]bool)
	for _, row := range rows {
		if row.status < 400 || row.status > 599 || row.doc == "" || seen[row.code] || titleOf(row.status) == "" {
			t.Errorf("%+v", row)
		}
		seen[row.code] = true
	}
	for code := range statuses {
		if !seen[string(code)] {
			t.Errorf("%s has a status and is no code", code)
		}
	}
	for fault, code := range fromFault {
		if !seen[code] {
			t.Errorf("%s becomes %s, which is no code", fault, code)
		}
	}
	for _, status := range []int{400, 405, 406, 408, 413, 500, 503} {
		if len(codesOf(status)) == 0 {
			t.Errorf("every operation may answer %d, and no code has it", status)
		}
	}
}

func TestThePageForPeopleLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{}, &scripted{})
	for path, contentType := range map[string]string{
		"/docs": "text/html", "/docs/": "text/html", "/docs/docs.js": "text/javascript", "/docs/docs.css": "text/css",
		"/dashboard": "text/html", "/dashboard/dashboard.js": "text/javascript", "/dashboard/dashboard.css": "text/css",
		"/dashboard/page.js": "text/javascript", "/dashboard/log.js": "text/javascript", "/dashboard/messages.js": "text/javascript",
		"/dashboard/passkey.js": "text/javascript", "/dashboard/webhooks.js": "text/javascript",
	} {
		answer := r.do(t, "GET", path, "")
		if answer.status != 200 || answer.header.Get("Content-Type") != contentType+"; charset=utf-8" {
			t.Errorf("%s: %d %s", path, answer.status, answer.header.Get("Content-Type"))
		}
		if policy := answer.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if strings.Contains(answer.body, "http:") || strings.Contains(answer.body, "https:") || strings.Contains(answer.body, "innerHTML") {
			t.Errorf("%s names another place, or writes HTML from data", path)
		}
		if strings.Contains(answer.body, "<script>") || strings.Contains(answer.body, "style=") {
			t.Errorf("%s has inline code, which its own policy refuses", path)
		}
	}
	for _, path := range []string{"/docs/nothing", "/dashboard/nothing"} {
		if answer := r.do(t, "GET", path, ""); answer.status != 404 || answer.header.Get("Content-Type") != contentProblem {
			t.Errorf("%s: %d %s", path, answer.status, answer.body)
		}
	}
}

// A browser hears only the types of events that it was told.
func TestTheDashboardHearsEveryTypeOfEvent(t *testing.T) {
	t.Parallel()
	raw, err := pages.ReadFile("dashboard/dashboard.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range append(session.EventTypes(), session.EventSnapshot, "resync") {
		if !strings.Contains(string(raw), `"`+string(kind)+`"`) {
			t.Errorf("the page does not listen to %s", kind)
		}
	}
}
