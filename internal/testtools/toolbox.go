// Package testtools says what becomes of a test that needs a tool which this machine lacks: Node, PostgreSQL, a browser.
//
// It owns that one rule and may know nothing of any room. The tests find their tools themselves.
package testtools

import (
	"os"
	"testing"
)

// Switch is the environment variable that decides: when it is "required", a missing tool fails the test. Otherwise the
// test is skipped. `make check` and CI set it, after .ci/tools has installed what is missing, so that no suite tests
// less than it says.
const Switch = "TEST_TOOLS"

// Missing ends a test for want of a tool; what names it.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv(Switch) == "required" {
		tb.Fatalf("missing: %s; `make tools` installs what the tests need, where it can (%s=required)", what, Switch)
	}
	tb.Skipf("missing: %s; `make tools` installs what the tests need, where it can", what)
}
