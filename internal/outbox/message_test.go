package outbox

import (
	"cmp"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/message"
	"wasup/internal/session"
)

var webID = regexp.MustCompile(`^3EB0[0-9A-F]{18}$`)

func TestAKeyAlwaysGivesTheSameID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := session.ID(rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,8}`).Draw(t, "session"))
		key := rapid.StringMatching(`[!-~]{1,12}`).Draw(t, "key")
		first := NewMessageID(id, key, "hash")
		if !webID.MatchString(first) || NewMessageID(id, key, "hash") != first {
			t.Fatalf("id of %s, %s is %s, then %s", id, key, first, NewMessageID(id, key, "hash"))
		}
		other := rapid.StringMatching(`[!-~]{1,12}`).Filter(func(s string) bool { return s != key }).Draw(t, "other")
		if NewMessageID(id, other, "hash") == first || NewMessageID(id+"x", key, "hash") == first || NewMessageID(id, key, "other") == first {
			t.Fatalf("another key, session or content gives %s as well", first)
		}
	})
}

func TestTheIDOfAKeyNeverChangesBetweenVersions(t *testing.T) {
	// If this fails, a retry after an upgrade would send the message twice. Give the derivation a new version instead.
	if got, want := NewMessageID("51", "order-1", "hash"), "3EB090CB9685C6638A2D09"; got != want {
		t.Errorf("id is %s, want %s", got, want)
	}
}

func TestSessionAndKeyAreNotMixedUp(t *testing.T) {
	if NewMessageID("a", "bc", "") == NewMessageID("ab", "c", "") || NewMessageID("a", "b", "c") == NewMessageID("a", "bc", "") {
		t.Error("a+bc and ab+c have one id")
	}
	if bodyHash("1@lid", message.TextOf("2")) == bodyHash("1@lid2", message.TextOf("")) {
		t.Error("the recipient runs into the text")
	}
}

func TestWithoutAKeyEveryIDIsAnother(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewMessageID("51", "", "hash")
		if !webID.MatchString(id) || seen[id] {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
	}
}

func TestABodyIsWhatArrives(t *testing.T) {
	// If this fails, a retry after an upgrade is refused as another message.
	if got, want := bodyHash("1@lid", message.TextOf("hola")), "be86e45c1b809caaff1d796efd2bac323dff8cfacda8b2ed890036a458458f95"; got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
	file := func(name, sum string) message.Content {
		return message.Content{Kind: message.KindImage, Text: "c", Media: &message.Media{File: name, SHA256: sum, Size: 1}}
	}
	first := file("a", "s")
	same := bodyHash("1@lid", first)
	if same != bodyHash("1@lid", file("b", "s")) || same == bodyHash("1@lid", file("a", "t")) || first.Media.File != "a" {
		t.Error("a file does not count by its bytes")
	}
	quoted := message.TextOf("hola")
	quoted.Quote = &message.Ref{ID: "3EB0"}
	if bodyHash("1@lid", quoted) == bodyHash("1@lid", message.TextOf("hola")) {
		t.Error("a quote does not count")
	}
}

func TestARequestIsRefusedByTheFieldThatIsWrong(t *testing.T) {
	r := newRig(t, Options{})
	long := strings.Repeat("k", 256)
	past := time.Now().Add(-time.Second)
	for name, test := range map[string]struct {
		change func(*message.Request)
		field  string
		text   string // the field name in SendText's error, if it differs
	}{
		"no session":       {func(q *message.Request) { q.Session = "" }, "id", ""},
		"no recipient":     {func(q *message.Request) { q.To = "" }, "to", ""},
		"no text":          {func(q *message.Request) { q.Content.Text = "" }, "text", "message"},
		"text not UTF-8":   {func(q *message.Request) { q.Content.Text = "a\xff" }, "text", "message"},
		"key with a space": {func(q *message.Request) { q.Key = "a b" }, "Idempotency-Key", ""},
		"key not ASCII":    {func(q *message.Request) { q.Key = "ñ" }, "Idempotency-Key", ""},
		"key with DEL":     {func(q *message.Request) { q.Key = "\x7f" }, "Idempotency-Key", ""},
		"key of 256":       {func(q *message.Request) { q.Key = long }, "Idempotency-Key", ""},
		"expired":          {func(q *message.Request) { q.ExpiresAt = past }, "expires_at", ""},
		"expires too soon": {func(q *message.Request) {
			q.ExpiresAt, q.SendAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}, "expires_at", ""},
		"no kind": {func(q *message.Request) { q.Content.Kind = "" }, "kind", ""},
	} {
		q := request("k")
		test.change(&q)
		_, sendErr := r.SendText(t.Context(), q)
		_, _, enqueueErr := r.Enqueue(t.Context(), q)
		for field, err := range map[string]error{cmp.Or(test.text, test.field): sendErr, test.field: enqueueErr} {
			var e *session.Error
			if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field ||
				!strings.HasPrefix(e.Public(), field+": expected") {
				t.Errorf("%s: %v, want field %s named", name, err, field)
			}
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
