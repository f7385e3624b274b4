package events

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"wasup/internal/session"
)

// dataOf is what the data of a type is read into.
func dataOf(of session.EventType) any {
	switch of {
	case session.EventState, session.EventQR, session.EventRemoved:
		return &v1EventState{}
	case session.EventReceipt:
		return &session.ReceiptData{}
	case session.EventStatus:
		return &session.StatusData{}
	case session.EventCall:
		return &session.CallData{}
	case session.EventGroup:
		return &session.GroupData{}
	default:
		return &session.MessageData{}
	}
}

func TestTheGuideShowsEveryTypeOfEventAsItIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[session.EventType]int{}
	var of session.EventType
	for line := range strings.Lines(string(text)) {
		if name, is := strings.CutPrefix(strings.TrimSpace(line), "### "); is {
			of = session.EventType(name)
		}
		if !strings.HasPrefix(line, "    {") {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(dataOf(of)); err != nil {
			t.Errorf("%s: %v in %s", of, err, line)
		}
		shown[of]++
	}
	for _, of := range session.EventTypes() {
		if shown[of] == 0 {
			t.Errorf("%s has no example", of)
		}
		delete(shown, of)
	}
	if len(shown) > 0 {
		t.Errorf("examples of what is no type: %v", shown)
	}
}
