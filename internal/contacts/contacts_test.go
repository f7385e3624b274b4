package contacts_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/contacts"
	"wasup/internal/message"
	"wasup/internal/session"
)

// directory is a session.Door that gives an account to numbers that end in 1. It records the numbers it was asked
// about.
type directory struct {
	mu    sync.Mutex
	asked []string
	fail  error
}

func (d *directory) Use(_ context.Context, _ session.ID, use session.Use) (any, error) {
	phones := use.Question.([]string)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return nil, d.fail
	}
	d.asked = append(d.asked, phones...)
	answers := make([]message.Contact, len(phones))
	for i, phone := range phones {
		answers[i] = message.Contact{Query: phone}
		if strings.HasSuffix(phone, "1") {
			answers[i].OnWhatsApp, answers[i].Address = true, message.Address{PN: phone + "@s.whatsapp.net"}
		}
	}
	return answers, nil
}

func newChecker(t *testing.T, source session.Door, options contacts.Options) *contacts.Checker {
	t.Helper()
	checker, err := contacts.New(source, options)
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

func numbers(from, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("49151%07d", from+i))
	}
	return list
}

func TestAnAnswerIsCachedForTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &directory{}
		checker := newChecker(t, source, contacts.Options{TTL: time.Hour})
		question := []string{"+49 151 0000001", "491510000002", "491510000001@c.us"}
		account := message.Address{PN: "491510000001@s.whatsapp.net"}
		want := []message.Contact{
			{Query: question[0], OnWhatsApp: true, Address: account}, {Query: question[1]}, {Query: question[2], OnWhatsApp: true, Address: account},
		}
		for range 3 { // "no account" is cached as well
			got, err := checker.CheckContacts(t.Context(), "a", question)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
		if _, err := checker.CheckContacts(t.Context(), "b", question[:1]); err != nil { // the cache serves every session
			t.Fatal(err)
		}
		if !slices.Equal(source.asked, []string{"491510000001", "491510000002"}) {
			t.Errorf("WhatsApp was asked for %v", source.asked)
		}
		time.Sleep(time.Hour)
		if _, err := checker.CheckContacts(t.Context(), "a", question); err != nil {
			t.Fatal(err)
		}
		if len(source.asked) != 4 {
			t.Errorf("WhatsApp was asked for %v", source.asked)
		}
	})
}

func TestEachSessionHasItsOwnRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &directory{}
		checker := newChecker(t, source, contacts.Options{PerMinute: 60, Burst: 100})
		check := func(id session.ID, phones []string) session.Code {
			_, err := checker.CheckContacts(t.Context(), id, phones)
			return session.CodeOf(err)
		}
		if code := check("a", numbers(0, 100)); code != "" {
			t.Fatal(code)
		}
		if code := check("a", numbers(100, 1)); code != session.CodeRateLimited {
			t.Errorf("one more: %q", code)
		}
		if code := check("a", numbers(0, 100)); code != "" {
			t.Errorf("what is known: %q", code)
		}
		if code := check("b", numbers(100, 1)); code != "" {
			t.Errorf("another session: %q", code)
		}
		time.Sleep(10 * time.Second)
		if code := check("a", numbers(200, 11)); code != session.CodeRateLimited {
			t.Errorf("eleven after ten seconds: %q", code)
		}
		if code := check("a", numbers(200, 10)); code != "" {
			t.Errorf("ten after ten seconds: %q", code)
		}
		if len(source.asked) != 111 {
			t.Errorf("WhatsApp was asked for %d numbers", len(source.asked))
		}
	})
}

func TestOnlyNumbersThatWhatsAppWasAskedAboutCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &directory{fail: &session.Error{Code: session.CodeNotReady}}
		checker := newChecker(t, source, contacts.Options{PerMinute: 1, Burst: 100})
		for range 3 {
			if _, err := checker.CheckContacts(t.Context(), "a", numbers(0, 100)); session.CodeOf(err) != session.CodeNotReady {
				t.Fatal(err)
			}
		}
		source.fail = &session.Error{Code: session.CodeTimeout} // WhatsApp was asked but did not answer
		if _, err := checker.CheckContacts(t.Context(), "a", numbers(0, 100)); session.CodeOf(err) != session.CodeTimeout {
			t.Fatal(err)
		}
		source.fail = nil
		if _, err := checker.CheckContacts(t.Context(), "a", numbers(0, 100)); session.CodeOf(err) != session.CodeRateLimited {
			t.Fatal(err)
		}
	})
}

func TestTheCacheIsBounded(t *testing.T) {
	source := &directory{}
	checker := newChecker(t, source, contacts.Options{Remember: 10, PerMinute: 1000, Burst: 1000})
	for range 2 {
		if _, err := checker.CheckContacts(t.Context(), "a", numbers(0, 11)); err != nil {
			t.Fatal(err)
		}
	}
	if len(source.asked) != 12 { // the first number was evicted from the cache
		t.Errorf("WhatsApp was asked for %d numbers", len(source.asked))
	}
}

func TestManyCallersAtATime(t *testing.T) {
	source := &directory{}
	checker := newChecker(t, source, contacts.Options{PerMinute: 1, Burst: 500})
	var done sync.WaitGroup
	for i := range 20 {
		done.Go(func() {
			got, err := checker.CheckContacts(t.Context(), "a", numbers(i*25, 25))
			if err != nil || len(got) != 25 || got[0].OnWhatsApp == got[24].OnWhatsApp && strings.HasSuffix(got[0].Query, "1") {
				t.Errorf("%d: %v, %v", i, got, err)
			}
		})
	}
	done.Wait()
	if len(source.asked) != 500 {
		t.Errorf("WhatsApp was asked for %d numbers", len(source.asked))
	}
}

func TestAnInvalidRequestNamesItsField(t *testing.T) {
	checker := newChecker(t, &directory{}, contacts.Options{})
	for field, phones := range map[string][]string{
		"phones": nil, "phones[1]": {"491510000001", "12345@lid"}, "phones[0]": {"abc"},
	} {
		_, err := checker.CheckContacts(t.Context(), "a", phones)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field {
			t.Errorf("%v: %v", phones, err)
		}
	}
	if _, err := checker.CheckContacts(t.Context(), "a", numbers(0, 101)); session.CodeOf(err) != session.CodeInvalidRequest {
		t.Errorf("101 numbers: %v", err)
	}
	for field, options := range map[string]contacts.Options{"TTL": {TTL: -1}, "Remember": {Remember: -1}, "PerMinute": {PerMinute: -1}, "Burst": {Burst: 99}} {
		_, err := contacts.New(&directory{}, options)
		var e *session.Error
		if !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
