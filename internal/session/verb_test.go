package session

import (
	"context"
	"errors"
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

// doorman is a Door that lets everything through to one client.
type doorman struct {
	use    Use
	answer any
}

func (d *doorman) Use(ctx context.Context, _ ID, use Use) (any, error) {
	d.use = use
	if d.answer != nil {
		return d.answer, nil
	}
	return use.Do(ctx, nil)
}

func TestAVerbCarriesItsQuestionAndGivesItsAnswer(t *testing.T) {
	length := Verb[string, int]{
		Name: "length", In: Ready, Bound: time.Minute, Whole: true,
		Do: func(_ context.Context, _ Client, text string) (int, error) {
			if text == "" {
				return 0, &Error{Code: CodeInvalidRequest}
			}
			return len(text), nil
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
}

// sender is a client whose sends end with an error.
type sender struct {
	Client
	err error
}

func (s sender) Send(context.Context, Outgoing) (Ack, error) { return Ack{MessageID: "3EB0"}, s.err }

func TestASendThatFailsForNoReasonThatIsKnownIsAFailureOrOverdue(t *testing.T) {
	unknown := errors.New("no code")
	if _, err := Send.Do(t.Context(), sender{err: unknown}, Outgoing{}); CodeOf(err) != CodeSendFailed || !errors.Is(err, unknown) {
		t.Errorf("it is %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Send.Do(over, sender{err: unknown}, Outgoing{}); CodeOf(err) != CodeAckOverdue {
		t.Errorf("after its time it is %v", err)
	}
	if _, err := Send.Do(over, sender{err: &Error{Code: CodeRestricted}}, Outgoing{}); CodeOf(err) != CodeRestricted {
		t.Errorf("a code is kept: %v", err)
	}
	if ack, err := Send.Do(t.Context(), sender{}, Outgoing{}); ack.MessageID != "3EB0" || err != nil {
		t.Errorf("it is %+v, %v", ack, err)
	}
}
