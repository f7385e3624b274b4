// Package testtools skips or fails a test when a tool is missing on this machine: Node, PostgreSQL, a browser.
//
// It owns that rule only and imports nothing of the program. The tests look for their tools themselves.
package testtools

import (
	"os"
	"testing"
)

// Switch is an environment variable. If it is "required", a missing tool fails the test, otherwise the test is skipped.
// `make check` and CI set it after .ci/tools has installed missing tools, so that they never skip a test silently.
const Switch = "TEST_TOOLS"

// Missing ends a test because a tool is missing. what names the tool.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv(Switch) == "required" {
		tb.Fatalf("missing: %s; `make tools` installs what the tests need, where it can (%s=required)", what, Switch)
	}
	tb.Skipf("missing: %s; `make tools` installs what the tests need, where it can", what)
}
