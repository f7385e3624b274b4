package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
)

func TestTheGuideNamesEveryRouteFaultAndError(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/sandbox.md")
	must(t, err)
	guide := string(raw)
	for _, kind := range faults.Kinds() {
		if !strings.Contains(guide, "\n| `"+string(kind)+"` |") {
			t.Errorf("no row for the fault %s", kind)
		}
	}
	for _, k := range known {
		if !strings.Contains(guide, "`"+k.code+"`") {
			t.Errorf("the error %s is not explained", k.code)
		}
	}
	short := regexp.MustCompile(`^/phones/\{number\}/(messages|devices|groups|chats|calls)/`)
	for _, route := range (&api{}).routes() {
		path := strings.TrimSuffix(route.path, "{$}")
		// A row may shorten a path that the row before spells out.
		if !strings.Contains(guide, path+"`") && !strings.Contains(guide, short.ReplaceAllString(path, ".../$1/")+"`") {
			t.Errorf("no row for %s", route.path)
		}
	}
}

// Server-sent events carry their kind as a name, and a browser delivers only the names that the page listens to.
func TestThePageHearsEveryKindOfEvent(t *testing.T) {
	raw, err := pageFiles.ReadFile("page/api.js")
	must(t, err)
	var source []byte
	for _, name := range []string{"../observe/events.go"} {
		part, err := os.ReadFile(name)
		must(t, err)
		source = append(source, part...)
	}
	if n := len(regexp.MustCompile(`EventKind += "`).FindAll(source, -1)); n != len(observe.EventKinds()) {
		t.Errorf("there are %d kinds of events, EventKinds lists %d", n, len(observe.EventKinds()))
	}
	for _, kind := range observe.EventKinds() {
		if !strings.Contains(string(raw), `"`+string(kind)+`"`) {
			t.Errorf("the page does not listen to %s", kind)
		}
	}
}
