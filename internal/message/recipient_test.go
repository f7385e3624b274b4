package message_test

import (
	"strings"
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
		"34600111222.0:12@s.whatsapp.net": "34600111222@s.whatsapp.net", "34600111222.0:12@c.us": "34600111222@s.whatsapp.net", "123456789.1:3@lid": "123456789@lid",
		"34600111222:99@hosted": "34600111222@s.whatsapp.net", "123456789:99@hosted.lid": "123456789@lid", "12345678901234567890@lid": "12345678901234567890@lid",
		"34.600.111.222": "34600111222@s.whatsapp.net", "+34 600-111-222@c.us": "34600111222@s.whatsapp.net", "6834000": "6834000@s.whatsapp.net", "123456789012345": "123456789012345@s.whatsapp.net",
	} {
		if got, err := message.ParseRecipient(spelled); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", spelled, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "abc", "12", "1234@g.us", "12345-6@g.us", "a12345@g.us", "+12345678@g.us", "@g.us", "1234@broadcast", "12345@s.whatsapp.net@g.us", "54911+00000", "1234567890123456789012",
		"0600111222", "+0600111222", "+005491100000000", "(0)600111222", "0005491100000000", "++5491100000000", "5491100000000:12", "5491100000000:@c.us",
		"34600111222.0@s.whatsapp.net", "34600111222.12@c.us", "34.600.111.222@c.us", "34600111222.0:x@c.us", "34600111222.a:1@c.us", "34600111222.0.0:1@c.us", "34600111222.0", "34600111222.0:12",
		"3725123456-1500000000", "120363041234567890", "1234567890123456", "683400", "34600111222 / 34600111333", "123456789.0@lid", "123456789@lid:1",
		"statuses@broadcast", "status@newsletter", "1500000000:1@broadcast", "123456789@bot", "34600111222_1:2@s.whatsapp.net", "120363041234567890:1@g.us",
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

func TestAnAddressOfAnEventIsARecipient(t *testing.T) {
	for want, address := range map[message.Recipient]message.Address{
		"123456789@lid":                 {LID: "123456789@lid", PN: "34600111222@s.whatsapp.net"},
		"34600111222@s.whatsapp.net":    {PN: "34600111222.0:12@s.whatsapp.net"},
		"120363041234567890@g.us":       {Group: "120363041234567890@g.us"},
		"3725123456-1500000000@g.us":    {Group: "3725123456-1500000000@g.us"},
		"987654321@lid":                 {LID: "987654321:4@lid"},
		"4915112345678@s.whatsapp.net":  {PN: "+49 151 12345678"},
		"status@broadcast":              {Status: "status@broadcast"},
		"1500000000@broadcast":          {List: "1500000000@broadcast"},
		"120363041234567890@newsletter": {Channel: "120363041234567890@newsletter"},
	} {
		if got, err := address.Recipient("to"); err != nil || got != want {
			t.Errorf("%+v is %q, %v; want %q", address, got, err, want)
		}
		if again, err := want.Address().Recipient("to"); err != nil || again != want {
			t.Errorf("%q is %q, %v", want, again, err)
		}
	}
	for _, bad := range []message.Address{
		{},
		{LID: "34600111222@s.whatsapp.net"},
		{PN: "123456789@lid"},
		{LID: "123456789@lid", PN: "bob"},
		{Group: "123456789@lid"},
		{Group: "120363041234567890@g.us", PN: "34600111222@s.whatsapp.net"},
		{Status: "status@broadcast", PN: "34600111222@s.whatsapp.net"},
		{Channel: "120363041234567890@newsletter", Group: "120363041234567890@g.us"},
		{Status: "120363041234567890@g.us"},
		{List: "bob@broadcast"},
		{PN: "34600111222@g.us"},
	} {
		if got, err := bad.Recipient("to"); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("%+v is %q, %v", bad, got, err)
		}
	}
	// Events of earlier versions tell of these chats as groups.
	for _, old := range []message.Recipient{"status@broadcast", "120363041234567890@newsletter"} {
		if got, err := (message.Address{Group: string(old)}).Recipient("to"); err != nil || got != old {
			t.Errorf("the group %s is %q, %v", old, got, err)
		}
	}
	if _, err := (message.Address{Other: "123456789@bot"}).Recipient("to"); session.CodeOf(err) != session.CodeUnsupported {
		t.Errorf("an assistant: %v", err)
	}
	if _, err := (message.Address{Group: "120363041234567890@g.us"}).Person("sender"); session.CodeOf(err) != session.CodeInvalidRequest {
		t.Errorf("a group is taken for a person: %v", err)
	}
}

func TestTheErrorOfAnAddressSaysWhatWouldBeOne(t *testing.T) {
	for given, part := range map[string]string{
		"3725123456-1500000000": "ends with @g.us", "120363041234567890": "ends with @g.us", "bob": "phone number with country code",
		"statuses@broadcast": "nothing can be sent to a status", "abc@newsletter": "nothing can be sent to",
		"34600111333.00": "this is a decimal",
	} {
		if _, err := message.ParseChat("to", given); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q in it", given, err, part)
		}
	}
}

func TestADecimalIsNoPhoneNumber(t *testing.T) {
	for _, decimal := range []string{
		"34600111333.0", "34600111333.00", "34600111333.000", "34600111333.05", "34600111333.12", "+34600111333.00", "0034600111333.00", " 34600111333.00 ",
		"6834000.00", "6834000.000000", "34600111.333000", "1212555.0101", "tel:34600111333.00", "whatsapp:+34600111333.00", "(34600111333.00)", "34600111333.00 ",
		"34 600 111 333.00", "34\u00a0600\u00a0111\u00a0333.00", "34600111333.00@s.whatsapp.net", "34600111333.00@c.us", "123456789.00@lid",
		"34600111333,0", "34600111333,00", "34.600.111.333,00", "34,600,111,333.00", "34600111333\u066b00", "34600111333\uff0e00",
		"3.4600111333e10", "3.46e10", "3.46E+10", "34600111333e0", "34600111333E0", "3.4600111333e+10", "0x80e5d8c15", "3.4.600.111.333.0",
		"-34600111333.00", "NaN", "Infinity",
	} {
		if got, err := message.ParseChat("to", decimal); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("%q goes to %q, %v", decimal, got, err)
		}
		if got, err := (message.Address{PN: decimal}).Person("sender"); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("an address with the number %q is %+v, %v", decimal, got, err)
		}
	}
	for spelled, want := range map[string]message.Recipient{
		"33.6.12.34.56.78": "33612345678@s.whatsapp.net", "0034.600.111.333": "34600111333@s.whatsapp.net", "+34.600111333": "34600111333@s.whatsapp.net",
		"34.600.11.13.33": "34600111333@s.whatsapp.net", "+1 (212) 555.0101": "12125550101@s.whatsapp.net", "1.212.555.0101": "12125550101@s.whatsapp.net",
		"54.9.11.5555.0101": "5491155550101@s.whatsapp.net", "683.40.00": "6834000@s.whatsapp.net", "683.4000": "6834000@s.whatsapp.net", "34600111333.": "34600111333@s.whatsapp.net",
		"+34 600.111.333": "34600111333@s.whatsapp.net", "+32.470.12.34.56": "32470123456@s.whatsapp.net", "+49 30/1234.5678": "493012345678@s.whatsapp.net",
	} {
		if got, err := message.ParseRecipient(spelled); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", spelled, got, err, want)
		}
	}
}
