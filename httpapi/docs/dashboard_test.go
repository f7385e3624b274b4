package docs

import (
	"strings"
	"testing"

	"wasup/internal/events"
)

// A browser hears only the types of events that it was told.
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
