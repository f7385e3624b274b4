package testtools

import (
	"fmt"
	"testing"
)

// ended is a testing.TB that records how the test ended.
type ended struct {
	testing.TB
	how, says string
}

func (*ended) Helper() {}

func (e *ended) Fatalf(format string, args ...any) {
	e.how, e.says = "failed", fmt.Sprintf(format, args...)
}

func (e *ended) Skipf(format string, args ...any) {
	// A real Fatalf does not return, so Skipf after it must not count.
	if e.how == "" {
		e.how, e.says = "skipped", fmt.Sprintf(format, args...)
	}
}

func TestAMissingToolSkipsUnlessToolsAreRequired(t *testing.T) {
	for value, want := range map[string]ended{
		"":         {how: "skipped", says: "missing: a browser; `make tools` installs what the tests need, where it can"},
		"optional": {how: "skipped", says: "missing: a browser; `make tools` installs what the tests need, where it can"},
		"required": {how: "failed", says: "missing: a browser; `make tools` installs what the tests need, where it can (TEST_TOOLS=required)"},
	} {
		t.Setenv(Switch, value)
		var got ended
		Missing(&got, "a browser")
		if got != want {
			t.Errorf("%s=%q: %+v, want %+v", Switch, value, got, want)
		}
	}
}
