package apitest

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi"
	"wasup/httpapi/rest"
)

// document is the API against which answers are checked. The mutex described guards it, because it makes schemas on
// demand.
var (
	document  = sync.OnceValue(httpapi.API)
	described sync.Mutex
)

// Fits checks JSON against the schema of a value's type.
func Fits(t testing.TB, of any, text string) {
	t.Helper()
	described.Lock()
	defer described.Unlock()
	fits(t, document().Schema(of), text)
}

// matches reports whether a path matches one of Fiber's patterns.
func matches(pattern, path string) bool {
	want, got := strings.Split(strings.ToLower(pattern), "/"), strings.Split(strings.ToLower(path), "/")
	if len(want) != len(got) {
		return false
	}
	for i, part := range want {
		if strings.HasPrefix(part, ":") {
			if got[i] == "" {
				return false
			}
		} else if part != got[i] {
			return false
		}
	}
	return true
}

// conform checks an answer of /v1 against the OpenAPI document: its status, its format and every field.
func conform(t testing.TB, method, path string, answer Reply) {
	t.Helper()
	described.Lock()
	defer described.Unlock()
	api := document()
	path, _, _ = strings.Cut(path, "?")
	operations := api.Operations()
	for i := range operations {
		op := &operations[i]
		if !matches(op.Path, path) || (op.Method != method && (op.Method != fiber.MethodGet || method != fiber.MethodHead)) {
			continue
		}
		response := api.Describe(op).Responses[strconv.Itoa(answer.Status)]
		if response == nil {
			t.Errorf("%s %s: status %d is not in the document", method, path, answer.Status)
			return
		}
		format, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
		media := response.Content[format]
		if media == nil && response.Content[rest.ContentAny] != nil {
			return
		}
		if media == nil {
			if answer.Status != fiber.StatusNoContent && answer.Status != fiber.StatusNotModified || answer.Body != "" {
				t.Errorf("%s %s: %d in %q is not in the document", method, path, answer.Status, format)
			}
			return
		}
		if method != fiber.MethodHead && (format == rest.ContentJSON || format == rest.ContentProblem) {
			fits(t, media.Schema, answer.Body)
		}
		return
	}
	if answer.Status != fiber.StatusNotFound && answer.Status != fiber.StatusMethodNotAllowed && strings.HasPrefix(path, "/v1") {
		t.Errorf("%s %s: %d from a route that is not in the document", method, path, answer.Status)
	}
}

func fits(t testing.TB, schema *huma.Schema, text string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Errorf("no JSON: %v\n%s", err, text)
		return
	}
	var result huma.ValidateResult
	huma.Validate(document().Registry(), schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
	for _, err := range result.Errors {
		t.Errorf("the document says otherwise: %v\n%s", err, text)
	}
}
