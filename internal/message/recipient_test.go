package message_test

import (
	"testing"

	"pgregory.net/rapid"

	"wasup/internal/message"
	"wasup/internal/session"
)

func TestARecipientIsTheSameHoweverItIsSpelled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.String().Draw(rt, "text")
		if to, err := message.ParseRecipient(s); err == nil {
			again, err := message.ParseRecipient(string(to))
			if err != nil || again != to {
				rt.Fatalf("%q is not stable: %q, %v", to, again, err)
			}
		}
	})
	for spelled, want := range map[string]message.Recipient{
		"+54 9 11 0000-0000": "5491100000000@s.whatsapp.net", "5491100000000@c.us": "5491100000000@s.whatsapp.net",
		"5491100000000": "5491100000000@s.whatsapp.net", "123456789@lid": "123456789@lid",
		" 120363041234567890@g.us ": "120363041234567890@g.us", "5491100000000-1600000000@g.us": "5491100000000-1600000000@g.us",
		"005491100000000": "5491100000000@s.whatsapp.net", "00 54 (9) 11/0000.0000": "5491100000000@s.whatsapp.net",
		"(+44) (0)20 7946 0958": "442079460958@s.whatsapp.net", "+44(0) 20 7946 0958": "442079460958@s.whatsapp.net",
		"\u202a+54\u00a09\u202f11\u20110000\u20130000\u202c": "5491100000000@s.whatsapp.net", "10 (0) 5550101": "105550101@s.whatsapp.net",
		"5491100000000:12@s.whatsapp.net": "5491100000000@s.whatsapp.net", "123456789:1@lid": "123456789@lid", "0012345@lid": "0012345@lid",
	} {
		if got, err := message.ParseRecipient(spelled); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", spelled, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "abc", "12", "1234@g.us", "12345-6@g.us", "a12345@g.us", "+12345678@g.us", "@g.us", "12345@broadcast", "12345@s.whatsapp.net@g.us", "54911+00000", "1234567890123456789012",
		"0600111222", "+0600111222", "+005491100000000", "(0)600111222", "0005491100000000", "++5491100000000", "5491100000000:12", "5491100000000:@c.us",
		"5491100000000:x@c.us", "5491100000000:123456@c.us", "54911@00000", "\u0665\u0664\u0669\u0661\u0661",
	} {
		if _, err := message.ParseRecipient(bad); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("%q was accepted: %v", bad, err)
		}
	}
	if _, err := message.ParsePerson("120363041234567890@g.us"); session.CodeOf(err) != session.CodeInvalidRequest {
		t.Errorf("a group was taken for a person: %v", err)
	}
	if got, err := message.ParseAddress("mentions[0]", "+49 151 12345678"); err != nil || got != (message.Address{PN: "4915112345678@s.whatsapp.net"}) {
		t.Errorf("%+v, %v", got, err)
	}
}
