package outbox

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wasup/session"
)

var webID = regexp.MustCompile(`^3EB0[0-9A-F]{18}$`)

func TestAKeyAlwaysGivesTheSameID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := session.ID(rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,8}`).Draw(t, "session"))
		key := rapid.StringMatching(`[!-~]{1,12}`).Draw(t, "key")
		first := NewMessageID(id, key)
		if !webID.MatchString(first) || NewMessageID(id, key) != first {
			t.Fatalf("id of %s, %s is %s, then %s", id, key, first, NewMessageID(id, key))
		}
		other := rapid.StringMatching(`[!-~]{1,12}`).Filter(func(s string) bool { return s != key }).Draw(t, "other")
		if NewMessageID(id, other) == first || NewMessageID(id+"x", key) == first {
			t.Fatalf("another key or session gives %s as well", first)
		}
	})
}

func TestTheIDOfAKeyNeverChangesBetweenVersions(t *testing.T) {
	// If this fails, a retry across an upgrade would send twice. Give the derivation a new version instead.
	if got, want := NewMessageID("51", "order-1"), "3EB0424DC60E70F005CB6A"; got != want {
		t.Errorf("id is %s, want %s", got, want)
	}
}

func TestSessionAndKeyAreNotMixedUp(t *testing.T) {
	if NewMessageID("a", "bc") == NewMessageID("ab", "c") {
		t.Error("a+bc and ab+c have one id")
	}
	if bodyHash("1@lid", "2") == bodyHash("1@lid2", "") {
		t.Error("the recipient runs into the text")
	}
}

func TestWithoutAKeyEveryIDIsAnother(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewMessageID("51", "")
		if !webID.MatchString(id) || seen[id] {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
	}
}

func TestARequestIsRefusedByTheFieldThatIsWrong(t *testing.T) {
	r := newRig(t, Options{})
	long := strings.Repeat("k", 256)
	for name, test := range map[string]struct {
		change func(*Request)
		field  string
	}{
		"no session":       {func(q *Request) { q.Session = "" }, "id"},
		"no recipient":     {func(q *Request) { q.To = "" }, "to"},
		"no text":          {func(q *Request) { q.Body = "" }, "message"},
		"text not UTF-8":   {func(q *Request) { q.Body = "a\xff" }, "message"},
		"key with a space": {func(q *Request) { q.Key = "a b" }, "Idempotency-Key"},
		"key not ASCII":    {func(q *Request) { q.Key = "ñ" }, "Idempotency-Key"},
		"key with DEL":     {func(q *Request) { q.Key = "\x7f" }, "Idempotency-Key"},
		"key of 256":       {func(q *Request) { q.Key = long }, "Idempotency-Key"},
	} {
		q := request("k")
		test.change(&q)
		_, err := r.SendText(t.Context(), q)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != test.field ||
			!strings.HasPrefix(e.Public(), test.field+": expected") {
			t.Errorf("%s: %v, want field %s named", name, err, test.field)
		}
	}
	r.line.wantSent(t, 0)
	if got := r.ledger.all(); len(got) != 0 {
		t.Errorf("ledger has %v", got)
	}
	for key, ok := range map[string]bool{"": false, "!": true, "~": true, long[:255]: true, long: false, " ": false} {
		if err := CheckKey(key); (err == nil) != ok {
			t.Errorf("key %q: %v", key, err)
		}
	}
}
