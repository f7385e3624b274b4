package docs

import (
	"strings"
	"testing"

	"wasup/internal/events"
)

// A browser's EventSource only receives the types of events for which it has listeners.
func TestTheDashboardHearsEveryTypeOfEvent(t *testing.T) {
	t.Parallel()
	raw, err := pages.ReadFile("dashboard/dashboard.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range append(events.Types(), events.TypeSnapshot, "resync") {
		if !strings.Contains(string(raw), `"`+string(kind)+`"`) {
			t.Errorf("the page does not listen to %s", kind)
		}
	}
}
