package message

import (
	"testing"

	"wasup/internal/session"
)

func TestANumberMayHaveItsScheme(t *testing.T) {
	for _, s := range []string{"tel:+34-600-111-222", "TEL:34600111222", "whatsapp:+34600111222", "tel:0034600111222"} {
		if got, err := ParsePerson(s); err != nil || got != "34600111222@s.whatsapp.net" {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"sms:+34600111222", "tel:", "tel:tel:34600111222", "tel:0600111222"} {
		if got, err := ParsePerson(s); err == nil {
			t.Errorf("%q is taken for %q", s, got)
		}
	}
}

func TestATextThatNobodyCanSeeIsRefused(t *testing.T) {
	for _, text := range []string{" ", "\n\t", "\u00a0", "\u200b\u2060"} {
		c := Content{Kind: KindText, Text: text}
		if err := c.Check(); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("text %q: %v, want %s", text, err, session.CodeInvalidRequest)
		}
	}
	if err := (Content{Kind: KindText, Text: " a "}).Check(); err != nil {
		t.Error(err)
	}
}
