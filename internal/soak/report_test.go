package soak

import (
	"strings"
	"testing"
)

func TestWhatTheSandboxLosesOrBreaksIsPrintedAndIsNotGood(t *testing.T) {
	if whole := (Report{}); !whole.Good() {
		t.Error("a report without a loss is not good")
	}
	for want, report := range map[string]Report{
		"1 panics":          {Panics: 1},
		"2 unknown queries": {UnknownAsked: 2},
		"3 stanzas lost":    {LostInTransit: 3},
	} {
		var table strings.Builder
		if err := report.Write(&table); err != nil {
			t.Fatal(err)
		}
		if report.Good() || !strings.Contains(table.String(), want) {
			t.Errorf("good: %v; expected %q in\n%s", report.Good(), want, table.String())
		}
	}
}
