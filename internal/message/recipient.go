package message

import (
	"fmt"
	"strings"
	"unicode"

	"wasup/internal/session"
)

// The servers in WhatsApp addresses that messages can go to.
const (
	serverPN    = "s.whatsapp.net"
	serverLID   = "lid"
	serverGroup = "g.us"
)

// Recipient is a WhatsApp address in canonical form: digits@s.whatsapp.net or digits@lid for a person, …@g.us for a
// group.
type Recipient string

// IsGroup reports whether the recipient is a group.
func (r Recipient) IsGroup() bool { return strings.HasSuffix(string(r), "@"+serverGroup) }

// Address returns the recipient as an Address.
func (r Recipient) Address() Address {
	switch {
	case r.IsGroup():
		return Address{Group: string(r)}
	case strings.HasSuffix(string(r), "@"+serverLID):
		return Address{LID: string(r)}
	default:
		if place, is := r.placeAddress(); is {
			return place
		}
		return Address{PN: string(r)}
	}
}

// The digits of a phone number with its country code. E.164 allows at most 15. No country has numbers of fewer than 7,
// and WhatsApp links none.
const (
	minPhone = 7
	maxPhone = 15
)

// What errors say about addresses.
const (
	personExpected = "expected a phone number with country code (7 to 15 digits), or one with @c.us, @s.whatsapp.net or @lid"
	chatExpected   = "expected a phone number with country code (7 to 15 digits), one with @c.us, @s.whatsapp.net or @lid, or a group with @g.us"
	objectExpected = "expected lid and pn of a person, or group, or another chat of an event"
	notWritten     = "expected a person or a group: nothing can be sent to a status, a broadcast list or a channel"
	otherChat      = "wasup can send nothing to an address of this kind"
)

// ParseRecipient accepts a person in the same forms as ParsePerson, or a group: digits@g.us, or digits-digits@g.us for
// groups from before 2021. It also accepts the chats to which little can be sent: status@broadcast, digits@broadcast of a
// broadcast list, digits@newsletter of a channel. Addressed and CheckChat say what cannot be done there.
func ParseRecipient(s string) (Recipient, error) { return ParseChat("to", s) }

// ParseChat accepts the same forms as ParseRecipient. Its error names the given field.
func ParseChat(field, s string) (Recipient, error) {
	if group, ok := parseGroup(s); ok {
		return group, nil
	}
	if place, ok := parsePlace(s); ok {
		return place, nil
	}
	if person, ok := parsePerson(s); ok {
		return person, nil
	}
	return "", invalidAddress(field, s, chatExpected)
}

// ParsePerson accepts a phone number in any usual spelling, the same with @c.us or @s.whatsapp.net, or a LID with @lid.
// A number has 7 to 15 digits and begins with its country code, with '+', 00 or nothing before it. It may contain
// spaces, dashes of any kind, '.', '/', '(' and ')', but is no decimal. ParsePerson removes a (0), which is not dialled from abroad, and a
// tel: or whatsapp: before the number. It also removes the agent and the device from an address such as
// 34600111222.0:1@s.whatsapp.net, because messages go to people.
func ParsePerson(s string) (Recipient, error) {
	person, ok := parsePerson(s)
	if !ok {
		return "", invalidAddress("to", s, personExpected)
	}
	return person, nil
}

// ParseAddress accepts the same forms as ParsePerson. Its error names the given field.
func ParseAddress(field, s string) (Address, error) {
	person, ok := parsePerson(s)
	if !ok {
		return Address{}, invalidAddress(field, s, personExpected)
	}
	return person.Address(), nil
}

// Person returns the canonical form of a person's address. The LID and the number may have the forms that ParsePerson
// accepts. Errors name the field.
func (a Address) Person(field string) (Address, error) {
	if a.place() != "" || a.IsZero() {
		return Address{}, invalidField(field, "expected a person: lid, pn, or both")
	}
	lid, ok := personOn(serverLID, a.LID)
	if !ok {
		return Address{}, invalidAddress(field+".lid", a.LID, "expected digits@lid")
	}
	pn, ok := personOn(serverPN, a.PN)
	if !ok {
		return Address{}, invalidAddress(field+".pn", a.PN, "expected digits@s.whatsapp.net")
	}
	return Address{LID: lid, PN: pn}, nil
}

// personOn returns the canonical form of a person's address with this server. "" stays.
func personOn(server, text string) (string, bool) {
	if text == "" {
		return "", true
	}
	person, ok := parsePerson(text)
	return string(person), ok && strings.HasSuffix(string(person), "@"+server)
}

// Recipient returns the chat that an address names, such as the one of an event. It is the LID of a person who has both,
// because the number may belong to somebody else by now. Errors name the field.
func (a Address) Recipient(field string) (Recipient, error) {
	switch {
	case a.place() == "" && !a.IsZero():
		person, err := a.Person(field)
		return Recipient(person.String()), err
	case len(a.Forms()) != 1:
		return "", invalidField(field, objectExpected)
	case a.Other != "":
		return "", unsupported(field+".other", otherChat)
	}
	for _, form := range []struct {
		name, text, expected string
		parse                func(string) (Recipient, bool)
	}{
		{"group", a.Group, "expected digits@g.us", parseGroupOrPlace},
		{"status", a.Status, "expected status@broadcast", parsePlace},
		{"channel", a.Channel, "expected digits@newsletter", parsePlace},
		{"list", a.List, "expected digits@broadcast", parsePlace},
	} {
		if form.text == "" {
			continue
		}
		if chat, ok := form.parse(form.text); ok {
			return chat, nil
		}
		return "", invalidAddress(field+"."+form.name, form.text, form.expected)
	}
	return "", invalidField(field, objectExpected)
}

// parseGroupOrPlace accepts a group. In events of earlier versions, group has other chats as well.
func parseGroupOrPlace(s string) (Recipient, bool) {
	if place, ok := parsePlace(s); ok {
		return place, true
	}
	return parseGroup(s)
}

// invalidAddress is the error for an address that no message can go to.
func invalidAddress(field, s, expected string) error {
	switch user, server, _ := strings.Cut(strings.TrimFunc(s, isPadding), "@"); {
	case server == "" && isDecimal(user):
		expected += "; this is a decimal, as programs write it that keep numbers as floats"
	case server == serverBroadcast, server == serverChannel:
		return invalidField(field, notWritten)
	case server == "" && isGroupUser(user):
		expected += "; a group's address ends with @g.us"
	}
	return invalidField(field, fmt.Sprintf("%q is not an address: %s", session.Clip(s, 80), expected))
}

func parseGroup(s string) (Recipient, bool) {
	user, server, _ := strings.Cut(strings.TrimFunc(s, isPadding), "@")
	return Recipient(user + "@" + serverGroup), server == serverGroup && isGroupUser(user)
}

func parsePerson(s string) (Recipient, bool) {
	user, server, hasServer := strings.Cut(strings.TrimFunc(s, isPadding), "@")
	valid := true
	switch {
	case !hasServer:
		user, server = withoutScheme(user), serverPN
	case server == serverPN, server == "c.us", server == "hosted":
		user, valid = withoutDevice(user)
		server = serverPN
	case server == serverLID, server == "hosted.lid":
		user, valid = withoutDevice(user)
		server = serverLID
	default:
		return "", false
	}
	digits, plus, ok := dialled(user)
	if server == serverPN && !plus {
		digits = strings.TrimPrefix(digits, "00")
	}
	person := Recipient(digits + "@" + server)
	return person, valid && ok && person.canonical()
}

// withoutDevice removes the device from the part of an address before the @, and the agent before it: user:device or
// user.agent:device. It returns false for a dot that separates no agent, because the digits behind it could belong to
// the number or not.
func withoutDevice(user string) (string, bool) {
	name, device, found := strings.Cut(user, ":")
	if found && !isDigits(device, 1, 5) {
		return "", false
	}
	name, agent, dotted := strings.Cut(name, ".")
	return name, !dotted || found && isDigits(agent, 1, 3)
}

// withoutScheme removes the tel: of web pages (RFC 3966), or the whatsapp: of other services' APIs, from a number.
func withoutScheme(number string) string {
	scheme, rest, found := strings.Cut(number, ":")
	if found && (strings.EqualFold(scheme, "tel") || strings.EqualFold(scheme, "whatsapp")) {
		return rest
	}
	return number
}

// dialled returns the digits of a spelling, without a (0) that is not dialled from abroad, and whether a plus is before
// them. It returns false if other characters are in it, or if it is a decimal.
func dialled(spelling string) (digits string, plus, ok bool) {
	const trunk = "(0)"
	if isDecimal(spelling) {
		return "", false, false
	}
	if at := strings.Index(spelling, trunk); at >= 0 && strings.ContainsAny(spelling[:at], "123456789") {
		spelling = spelling[:at] + spelling[at+len(trunk):]
	}
	all := make([]byte, 0, len(spelling))
	for _, r := range spelling {
		switch {
		case r >= '0' && r <= '9':
			all = append(all, byte(r))
		case r == '+' && !plus && len(all) == 0:
			plus = true
		case isPadding(r), unicode.Is(unicode.Pd, r), strings.ContainsRune("./()\u2212", r):
		default:
			return "", false, false
		}
	}
	return string(all), plus, true
}

// isDecimal reports whether a spelling is a decimal such as 34600111222.00, which a program that keeps numbers as floats
// has written: the digits behind the dot would become part of somebody else's number. People put dots between groups. So
// a single dot behind a complete number is a decimal if few digits follow, or if the number is not in groups. Nobody ends
// a number with a group of one digit.
func isDecimal(spelling string) bool {
	const fraction = 3 // the most digits that count as few
	whole, after, found := strings.Cut(spelling, ".")
	switch places := countDigits(spelling[strings.LastIndexByte(spelling, '.')+1:]); {
	case !found || places == 0:
		return false
	case strings.Contains(after, "."):
		return places == 1
	default:
		ungrouped := len(whole) - len(strings.TrimRight(whole, "0123456789"))
		return places == 1 || ungrouped >= minPhone || places <= fraction && countDigits(whole) >= minPhone
	}
}

// countDigits returns how many ASCII digits are in a text.
func countDigits(s string) (n int) {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// isPadding reports whether a character is a space or an invisible one, such as a mark of the writing direction. These
// are often copied from an address book together with a number, and may stand anywhere in a number or around an
// address.
func isPadding(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// canonical reports whether the recipient is in the form that ParseRecipient returns. No country code begins with 0. A
// number that does is in the form for calls within its country.
func (r Recipient) canonical() bool {
	user, server, _ := strings.Cut(string(r), "@")
	switch server {
	case serverPN:
		return isDigits(user, minPhone, maxPhone) && user[0] != '0'
	case serverLID:
		return isDigits(user, 5, 20)
	case serverGroup:
		return isGroupUser(user)
	case serverChannel:
		return isDigits(user, 5, 32)
	default:
		return false
	}
}

// isGroupUser accepts the part of a group address before the @: an id, or, in old groups, the creator's phone number
// and the Unix time of the creation.
func isGroupUser(s string) bool {
	creator, created, legacy := strings.Cut(s, "-")
	if legacy {
		return isDigits(creator, 5, 20) && isDigits(created, 5, 20)
	}
	return isDigits(s, 5, 32)
}

// isDigits reports whether s has nothing but digits, and a number of them within the limits.
func isDigits(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, "0123456789") == ""
}
