package events

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/rest"
	"wasup/internal/events"
)

func TestTheGuideShowsEveryTypeOfEventAsItIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	api := rest.NewAPI(&Resource{})
	event := api.Registry().SchemaFromRef(api.Schema(v1Event{}).Ref)
	shown := map[events.Type]int{}
	var of events.Type
	for line := range strings.Lines(string(text)) {
		if name, is := strings.CutPrefix(strings.TrimSpace(line), "### "); is {
			of = events.Type(name)
		}
		if !strings.HasPrefix(line, "    {") {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(dataOf(of)); err != nil {
			t.Errorf("%s: %v in %s", of, err, line)
		}
		// The schema of the document says the same of the example, and an event may have such data.
		var value any
		var result huma.ValidateResult
		_ = json.Unmarshal([]byte(line), &value)
		schema := api.Schema(reflect.ValueOf(dataOf(of)).Elem().Interface())
		if !slices.ContainsFunc(event.Properties["data"].AnyOf, func(s *huma.Schema) bool { return s.Ref == schema.Ref }) {
			t.Errorf("%s: the document does not list %s", of, schema.Ref)
		}
		if huma.Validate(api.Registry(), schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result); len(result.Errors) > 0 {
			t.Errorf("%s: the document says otherwise: %v of %s", of, result.Errors, line)
		}
		shown[of]++
	}
	for _, of := range events.Types() {
		if shown[of] == 0 {
			t.Errorf("%s has no example", of)
		}
		delete(shown, of)
	}
	if len(shown) > 0 {
		t.Errorf("examples of what is no type: %v", shown)
	}
}
