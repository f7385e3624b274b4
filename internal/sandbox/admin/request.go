package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// maxBody bounds the body of every request, in bytes. The largest is a picture in base64.
	maxBody = 6 << 20
	// maxJSON bounds bodies without a picture, in bytes. A text of 64 KiB fits with
	// every character escaped.
	maxJSON = 512 << 10
	// maxWait bounds the parameter wait.
	maxWait = 2 * time.Minute
)

// conflictPattern matches the name of a conflict, or an empty string.
var conflictPattern = regexp.MustCompile(`^[a-z_]{0,40}$`)

// readJSON decodes the body into target. It refuses an empty body, unknown
// fields, trailing data and a body over limit bytes.
func readJSON(r *http.Request, limit int64, target any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return &problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "expected Content-Type: application/json", ""}
	}
	raw, err := readBody(r, limit)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return jsonProblem(raw, target, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return &problem{http.StatusBadRequest, "bad_json", "expected one JSON object and nothing after it", ""}
	}
	return nil
}

// readBody reads the body. It refuses one over limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), int64(len(raw)) > limit:
		return nil, &problem{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("expected at most %d bytes", limit), ""}
	case err != nil:
		return nil, &problem{http.StatusBadRequest, "bad_body", "the body broke off", ""}
	}
	return raw, nil
}

// jsonProblem translates an error of encoding/json, so that the caller sees no
// names of Go types.
func jsonProblem(raw []byte, target any, err error) *problem {
	var wrongType *json.UnmarshalTypeError
	var own *problem
	var notBase64 base64.CorruptInputError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &notBase64):
		// encoding/json does not name the field.
		return invalid(brokenBytes(raw, reflect.TypeOf(target), ""), "expected standard base64")
	case errors.As(err, &wrongType):
		if wrongType.Field == "" {
			return &problem{http.StatusBadRequest, "bad_json", "expected a JSON object", ""}
		}
		return invalid(wrongType.Field, "expected %s, got %s", jsonName(wrongType.Type.Kind().String()), wrongType.Value)
	case errors.Is(err, io.EOF):
		return &problem{http.StatusBadRequest, "bad_json", "expected a JSON object, got an empty body", ""}
	}
	// encoding/json has no error type for unknown fields.
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &problem{http.StatusBadRequest, "unknown_field", "there is no such field", strings.Trim(name, `"`)}
	}
	return &problem{http.StatusBadRequest, "bad_json", "expected a JSON object", ""}
}

// brokenBytes returns the path of the first []byte field whose text is not base64, or "".
func brokenBytes(raw []byte, of reflect.Type, path string) string {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	var fields map[string]json.RawMessage
	if of.Kind() != reflect.Struct || json.Unmarshal(raw, &fields) != nil {
		return ""
	}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, given := fields[name]
		switch {
		case !given:
		case field.Type == reflect.TypeFor[[]byte]():
			if json.Unmarshal(value, new([]byte)) != nil {
				return path + name
			}
		default:
			if found := brokenBytes(value, field.Type, path+name+"."); found != "" {
				return found
			}
		}
	}
	return ""
}

func jsonName(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number"
	case kind == "bool":
		return "true or false"
	case kind == "ptr":
		return "another type"
	default:
		return "a " + kind
	}
}

// checkQuery refuses query parameters that the operation does not have, or that are not among their words: a misspelt
// ?wait would otherwise silently not wait, and a misspelt ?kind wait in vain.
func (o operation) checkQuery(r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("query", "expected name=value pairs")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		switch {
		case len(o.query) == 0:
			return &problem{http.StatusBadRequest, "unknown_field", "this route takes no parameters", name}
		case !slices.Contains(o.query, name):
			return &problem{http.StatusBadRequest, "unknown_field", "expected one of " + strings.Join(slices.Sorted(slices.Values(o.query)), ", "), name}
		case len(given) > 1:
			return invalid(name, "expected it once")
		}
		schema, _ := parameters()[name]["schema"].(object)
		if words, ok := schema["enum"].([]string); ok && !slices.Contains(words, given[0]) {
			return invalid(name, "expected one of %s", strings.Join(words, ", "))
		}
	}
	return nil
}

// waitContext returns the request's context with the timeout that the parameter
// wait gives, or with byDefault.
func waitContext(r *http.Request, byDefault time.Duration) (context.Context, context.CancelFunc, error) {
	wait := byDefault
	if text := r.URL.Query().Get("wait"); text != "" {
		parsed, err := time.ParseDuration(text)
		if err != nil || parsed < 0 || parsed > maxWait {
			return nil, nil, invalid("wait", "expected a duration from 0s to %s, such as 10s", maxWait)
		}
		wait = parsed
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	return ctx, cancel, nil
}

// readDuration parses a duration as time.ParseDuration does. An empty text is 0.
func readDuration(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, invalid(field, "expected a duration such as 1.5s or 24h")
	}
	return d, nil
}
