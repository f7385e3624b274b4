package httpapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/wire"
)

func TestTheCheckOfAnswersFindsWhatIsWrong(t *testing.T) {
	api := httpapi.API()
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
		huma.Validate(api.Registry(), api.Schema(wire.Problem{}), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
		if len(result.Errors) == 0 {
			t.Errorf("nothing is found in %s", wrong)
		}
	}
}

func TestTheCommittedDocumentIsTheOneThatIsServed(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{})
	committed, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	answer := r.Do(t, "GET", "/openapi.json", "")
	if answer.Status != 200 || answer.Body != string(committed) {
		t.Error("docs/openapi.json differs from GET /openapi.json; run go generate ./httpapi")
	}
	guide, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(guide) != httpapi.API().Guide() {
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
	if operations != len(httpapi.API().Operations()) {
		t.Errorf("%d operations in the document, %d in the table", operations, len(httpapi.API().Operations()))
	}
	for _, ref := range bytes.Split(committed, []byte(`"$ref": "#/components/schemas/`))[1:] {
		name, _, _ := strings.Cut(string(ref), `"`)
		if document.Components.Schemas[name] == nil {
			t.Errorf("the document refers to %s, which it does not have", name)
		}
	}
	yaml := r.Do(t, "GET", "/openapi.yaml", "")
	if yaml.Status != 200 || !strings.Contains(yaml.Body, "operationId: createSession") || yaml.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("YAML: %d %s", yaml.Status, yaml.Header.Get("Content-Type"))
	}
}

func TestEveryNameInAPathIsDescribed(t *testing.T) {
	api := httpapi.API()
	operations := api.Operations()
	for i := range operations {
		for _, parameter := range api.Describe(&operations[i]).Parameters {
			if parameter.In == "path" && (parameter.Description == "" || parameter.Schema == nil) {
				t.Errorf("%s: nothing is said of %s", operations[i].Path, parameter.Name)
			}
		}
	}
}

// Readers scan the summaries, so each must be a short imperative without a full stop.
func TestSummariesAreShortImperatives(t *testing.T) {
	verbs := []string{
		"Answer", "Cancel", "Check", "Confirm", "Create", "Delete", "Discard", "Download", "Follow", "Get", "List", "Log", "Mark", "Open",
		"Release", "Replay", "Requeue", "Restart", "Rotate", "Send", "Show", "Start", "Stop", "Test", "Update", "Upload",
	}
	for _, op := range httpapi.API().Operations() {
		verb, _, _ := strings.Cut(op.Summary, " ")
		if !slices.Contains(verbs, verb) || len(op.Summary) > 50 || strings.HasSuffix(op.Summary, ".") {
			t.Errorf("%s: %q", op.Name, op.Summary)
		}
	}
}
