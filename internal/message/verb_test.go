package message

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"

	"wasup/internal/session"
)

func TestEveryVerbOfMessagesHasItsOwnNameInTheList(t *testing.T) {
	text, err := os.ReadFile("verb.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^var \w+ = session\.Verb\[`).FindAll(text, -1)
	names := VerbNames()
	if slices.Sort(names); len(names) != len(declared) || len(slices.Compact(names)) != len(declared) || slices.Contains(names, "") {
		t.Errorf("%d verbs are declared and the list has %q", len(declared), VerbNames())
	}
}

// sender is a client whose sends fail with an error.
type sender struct {
	Client
	err error
}

func (s sender) Send(context.Context, Outgoing) (Ack, error) { return Ack{MessageID: "3EB0"}, s.err }

func TestASendThatFailsForNoReasonThatIsKnownIsAFailureOrOverdue(t *testing.T) {
	unknown := errors.New("no code")
	if _, err := Send.Do(t.Context(), sender{err: unknown}, Outgoing{}); session.CodeOf(err) != session.CodeSendFailed || !errors.Is(err, unknown) {
		t.Errorf("it is %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Send.Do(over, sender{err: unknown}, Outgoing{}); session.CodeOf(err) != session.CodeAckOverdue {
		t.Errorf("after its time it is %v", err)
	}
	if _, err := Send.Do(over, sender{err: &session.Error{Code: session.CodeRestricted}}, Outgoing{}); session.CodeOf(err) != session.CodeRestricted {
		t.Errorf("a code is kept: %v", err)
	}
	if ack, err := Send.Do(t.Context(), sender{}, Outgoing{}); ack.MessageID != "3EB0" || err != nil {
		t.Errorf("it is %+v, %v", ack, err)
	}
}
