package events

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/rest"
	"wasup/internal/events"
)

// dataOf returns a value into which the data of a type is decoded.
func dataOf(of events.Type) any {
	switch of {
	case events.TypeState, events.TypeQR, events.TypeRemoved:
		return &v1EventState{}
	case events.TypeReceipt:
		return &events.ReceiptData{}
	case events.TypeStatus:
		return &events.StatusData{}
	case events.TypeAccountChanged:
		return &events.AccountChangedData{}
	case events.TypeCall:
		return &events.CallData{}
	case events.TypeGroup:
		return &events.GroupData{}
	case events.TypeTimer:
		return &events.TimerData{}
	default:
		return &events.MessageData{}
	}
}

func TestTheGuideShowsEveryTypeOfEventAsItIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	api := rest.NewAPI(&Resource{})
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
		// The schema of the document says the same of the example.
		var value any
		var result huma.ValidateResult
		_ = json.Unmarshal([]byte(line), &value)
		schema := api.Schema(reflect.ValueOf(dataOf(of)).Elem().Interface())
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
