package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"wasup/sandbox"
)

func TestTheGuideNamesEveryRouteFaultAndError(t *testing.T) {
	raw, err := os.ReadFile("../../docs/sandbox.md")
	must(t, err)
	guide := string(raw)
	for _, kind := range sandbox.FaultKinds() {
		if !strings.Contains(guide, "\n| `"+string(kind)+"` |") {
			t.Errorf("no row for the fault %s", kind)
		}
	}
	for _, k := range known {
		if !strings.Contains(guide, "`"+k.code+"`") {
			t.Errorf("the error %s is not explained", k.code)
		}
	}
	short := regexp.MustCompile(`^/phones/\{number\}/(messages|devices|groups)/`)
	for _, route := range (&api{}).routes() {
		path := strings.TrimSuffix(route.path, "{$}")
		// Rows shorten what the row before has spelt out.
		if !strings.Contains(guide, path+"`") && !strings.Contains(guide, short.ReplaceAllString(path, ".../$1/")+"`") {
			t.Errorf("no row for %s", route.path)
		}
	}
}
