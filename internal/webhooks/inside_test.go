package webhooks

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/egress"
	"wasup/internal/events"
	"wasup/internal/session"
)

func TestPausesDoubleWithinTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{
			first:   time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "first")),
			longest: time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "longest")),
		}
		s.longest = max(s.longest, s.first)
		n := rapid.IntRange(1, 1000).Draw(t, "failed")
		pause := s.pause(n)
		whole := s.first
		for i := 1; i < n && whole < s.longest; i++ {
			whole *= 2
		}
		whole = min(whole, s.longest)
		if pause > whole || pause < whole-whole/4-1 {
			t.Fatalf("after %d failures %s, want %s less a quarter at most", n, pause, whole)
		}
		asked := time.Duration(rapid.Int64Range(1, int64(100*24*time.Hour)).Draw(t, "asked"))
		if got, least := s.later(n, asked), min(asked, longestRetryAfter); got < least || got > least+least/4+1 {
			t.Fatalf("asked for %s, got %s", asked, got)
		}
		if got := s.later(n, 0); got > whole || got < whole-whole/4-1 {
			t.Fatalf("asked for nothing, got %s", got)
		}
	})
}

// An event that always fails is tried often in the beginning, then at least once in every longest pause. It is given up
// when the time is over, not before.
func TestAnEventIsGivenUpWhenItsTimeIsOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{
			first:   time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Minute)).Draw(t, "first")),
			longest: time.Duration(rapid.Int64Range(int64(time.Minute), int64(time.Hour)).Draw(t, "longest")),
			within:  time.Duration(rapid.Int64Range(int64(2*time.Hour), int64(72*time.Hour)).Draw(t, "within")),
		}
		first := time.Unix(1_780_000_000, 0)
		now, failed := first, 1
		for !s.over(first, now) {
			now = now.Add(s.pause(failed))
			if failed++; failed > 1_000_000 {
				t.Fatal("it never ends")
			}
		}
		if took := now.Sub(first); took < s.within || took > s.within+s.longest {
			t.Fatalf("given up after %s, want %s and a pause at most", took, s.within)
		}
		if least := int(s.within / s.longest); failed < least {
			t.Fatalf("%d attempts, want %d or more", failed, least)
		}
	})
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "1.5": 0, "99999999999999999999": 0,
		"Sun, 04 Jan 2026 12:00:30 GMT": 30 * time.Second, "Sun, 04 Jan 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestOutcomesAreNamedByStatus(t *testing.T) {
	for status, want := range map[int]Outcome{
		200: Delivered, 204: Delivered, 299: Delivered, 300: Redirected,
		307: Redirected, 400: Refused, 409: Refused, 410: Gone,
		429: RateLimited, 500: Failed, 599: Failed, 999: Failed,
	} {
		if got := outcomeOf(status); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
}

func TestAnAddressIsRefusedWhenItIsRegistered(t *testing.T) {
	for address, refused := range map[string]bool{
		"127.0.0.1": true, "10.0.0.1:8080": true, "[::1]": true, "[::ffff:10.0.0.1]:80": true, "169.254.169.254": true, "[fe80::1%25lo]": true,
		"1.1.1.1": false, "8.8.8.8:8443": false, "[2606:4700:4700::1111]": false, "hooks.example": false, "localhost": false,
	} {
		err := checkHost(egress.NewGuard(false), "http://"+address+"/x")
		if (session.CodeOf(err) == session.CodeInvalidRequest) != refused || (err != nil) != refused {
			t.Errorf("%s: %v", address, err)
		}
		if err := checkHost(egress.NewGuard(true), "http://"+address+"/x"); err != nil {
			t.Errorf("%s is refused where it is allowed: %v", address, err)
		}
	}
}

func TestARedirectOrANameLeadsNowhereElse(t *testing.T) {
	reached := make(chan struct{}, 10)
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	defer secret.Close()
	front := httptest.NewServer(http.RedirectHandler(secret.URL, http.StatusTemporaryRedirect))
	defer front.Close()
	try := func(private bool, url string, want Outcome) {
		t.Helper()
		client, transport := newClient(egress.NewGuard(private), 1, time.Minute)
		defer transport.CloseIdleConnections()
		s := &sender{client: client, timeout: time.Minute, now: time.Now}
		hook := &Webhook{URL: url, Secret: newSecret()}
		if r := s.post(t.Context(), hook, "msg_1", []byte("{}")); r.outcome != want {
			t.Errorf("%s: %+v", url, r)
		}
	}
	try(true, front.URL, Redirected)
	try(false, secret.URL, Blocked)
	_, port, _ := cutLast(secret.URL, ":")
	try(false, "http://localhost:"+port, Blocked)
	try(true, "http://localhost:1", Unreachable)
	try(true, "https://localhost:"+port, Unreachable)
	try(true, "http://name.invalid", Unreachable)
	select {
	case <-reached:
		t.Error("a request reached what it must not reach")
	default:
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i:i+1] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func TestAnEventHasOneIDForEachWebhook(t *testing.T) {
	at := time.UnixMilli(1_780_000_000_000)
	base := events.Event{Session: "51", Seq: 1, Pos: 9, At: at, Type: events.TypeMessage}
	seen := map[string]bool{messageID("a", &base): true}
	if again := base; messageID("a", &again) != messageID("a", &base) || len(messageID("a", &base)) != 28 {
		t.Fatal(messageID("a", &base))
	}
	for _, other := range []func(*events.Event){
		func(e *events.Event) { e.Session = "52" }, func(e *events.Event) { e.Seq = 2 }, func(e *events.Event) { e.Pos = 8 },
		func(e *events.Event) { e.At = at.Add(time.Second) }, func(e *events.Event) { e.Type = events.TypeCall },
	} {
		e := base
		other(&e)
		if id := messageID("a", &e); seen[id] {
			t.Errorf("%+v has an id that is taken", e)
		} else {
			seen[id] = true
		}
	}
	if seen[messageID("b", &base)] {
		t.Error("another webhook has the same id")
	}
}
