package session

import (
	"context"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"
)

func TestEveryVerbHasItsOwnNameInTheList(t *testing.T) {
	text, err := os.ReadFile("verb.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^var \w+ = Verb\[`).FindAll(text, -1)
	names := VerbNames()
	if slices.Sort(names); len(names) != len(declared) || len(slices.Compact(names)) != len(declared) || slices.Contains(names, "") {
		t.Errorf("%d verbs are declared and the list has %q", len(declared), VerbNames())
	}
}

// doorman is a Door that passes every use to one client.
type doorman struct {
	use    Use
	answer any
}

func (d *doorman) Use(ctx context.Context, _ ID, use Use) (any, error) {
	d.use = use
	if d.answer != nil {
		return d.answer, nil
	}
	return use.Do(ctx, able{})
}

// able is a client with one more method, which a verb of the test needs.
type able struct{ Client }

func (able) Length(text string) int { return len(text) }

type counting interface{ Length(text string) int }

func TestAVerbCarriesItsQuestionAndGivesItsAnswer(t *testing.T) {
	length := Verb[counting, string, int]{
		Name: "length", In: Ready, Bound: time.Minute, Whole: true,
		Do: func(_ context.Context, client counting, text string) (int, error) {
			if text == "" {
				return 0, &Error{Code: CodeInvalidRequest}
			}
			return client.Length(text), nil
		},
	}
	d := &doorman{}
	if n, err := length.Ask(t.Context(), d, "51", "four"); n != 4 || err != nil {
		t.Errorf("the answer is %d, %v", n, err)
	}
	if u := d.use; u.Verb != "length" || u.In != Ready || u.Bound != time.Minute || !u.Whole || u.Question != "four" {
		t.Errorf("what was carried is %+v", u)
	}
	if _, err := length.Ask(t.Context(), d, "51", ""); CodeOf(err) != CodeInvalidRequest {
		t.Errorf("its error is %v", err)
	}
	d.answer = "four"
	if _, err := length.Ask(t.Context(), d, "51", "four"); CodeOf(err) != CodeInternal {
		t.Errorf("an answer of another type is %v", err)
	}
	var lesser struct{ Client }
	if _, err := length.With("four").Do(t.Context(), lesser); CodeOf(err) != CodeInternal {
		t.Errorf("a client that cannot do it gives %v", err)
	}
}
