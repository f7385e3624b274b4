package message

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"unicode/utf8"

	"wasup/internal/session"
)

// The limits of WhatsApp's own clients. Those marked "ours" are wasup's.
const (
	maxText         = 65_536 // characters of a text
	maxCaption      = 1024   // characters
	maxQuestion     = 255    // characters of a poll's question
	maxOption       = 100    // characters of a poll's answer
	maxOptions      = 12     // answers of a poll
	maxMentions     = 1024   // members of a group
	maxMessageID    = 128    // bytes; ours: WhatsApp's own ids have up to 32
	maxContacts     = 100    // ours
	maxCard         = 64 << 10
	maxThumbnail    = 64 << 10 // bytes; ours: a thumbnail is part of the message
	maxPlaceText    = 1024     // characters of each text of a location; ours
	maxReaction     = 64       // bytes; the longest emoji have 41
	maxFileName     = 255      // bytes
	waveformSamples = 64
)

// Check returns an error with CodeInvalidRequest that names the first invalid field, or nil if the message can be sent.
func (o Outgoing) Check() error {
	switch {
	case o.ID == "" || len(o.ID) > maxMessageID:
		return invalidField("id", fmt.Sprintf("expected a message id of 1 to %d bytes", maxMessageID))
	case !o.To.canonical():
		return invalidField("to", "expected digits@s.whatsapp.net or digits@lid of a person, or …@g.us of a group")
	}
	if err := o.Content.Check(); err != nil {
		return err
	}
	return o.Content.CheckFor(o.To)
}

// Check returns an error with CodeInvalidRequest that names the first invalid field, or nil if the content can be sent.
// It also refuses fields that the kind does not use, because their values would be lost.
func (c Content) Check() error {
	if err := c.checkKind(); err != nil {
		return err
	}
	if err := c.checkUnused(); err != nil {
		return err
	}
	if err := c.checkText(); err != nil {
		return err
	}
	if err := c.checkExtras(); err != nil {
		return err
	}
	switch c.Kind {
	case KindImage, KindVideo, KindAudio, KindVoice, KindDocument, KindSticker:
		return c.Media.check(c.Kind)
	case KindLocation:
		return c.Location.check()
	case KindContact:
		return checkCards(c.Contacts)
	case KindPoll:
		return c.Poll.check()
	case KindReaction:
		return c.checkReaction()
	case KindEdit, KindRevoke:
		return c.Target.check("target")
	default:
		return nil
	}
}

// CheckFor checks what depends on the recipient: whether anything of the kind can be sent there,
// and in a group that the author of a quoted message or of one reacted to is given.
func (c Content) CheckFor(to Recipient) error {
	if err := c.checkPlace(to); err != nil {
		return err
	}
	named := func(ref *Ref) bool { return ref == nil || ref.FromMe || !ref.Sender.IsZero() }
	switch {
	case !to.IsGroup():
		return nil
	case !named(c.Quote):
		return invalidField("quote.sender", "expected who wrote the message, or from_me: in a group it could be anybody")
	case c.Kind == KindReaction && !named(c.Target):
		return invalidField("target.sender", "expected who wrote the message, or from_me: in a group it could be anybody")
	default:
		return nil
	}
}

func (c Content) checkKind() error {
	var names []string
	for _, kind := range SendableKinds() {
		if kind == c.Kind {
			return nil
		}
		names = append(names, string(kind))
	}
	return invalidField("kind", "expected one of "+strings.Join(names, ", "))
}

// checkUnused refuses fields that the kind does not use.
func (c Content) checkUnused() error {
	quotable := c.Kind != KindReaction && c.Kind != KindEdit && c.Kind != KindRevoke
	for _, field := range []struct {
		name    string
		given   bool
		allowed bool
	}{
		{"text", c.Text != "", c.hasText()},
		{"mentions", len(c.Mentions) > 0, c.hasText()},
		{"quote", c.Quote != nil, quotable},
		{"preview", c.Preview != nil, c.Kind == KindText},
		{"media", c.Media != nil, c.Kind.HasMedia()},
		{"location", c.Location != nil, c.Kind == KindLocation},
		{"contacts", len(c.Contacts) > 0, c.Kind == KindContact},
		{"poll", c.Poll != nil, c.Kind == KindPoll},
		{"reaction", c.Reaction != "", c.Kind == KindReaction},
		{"target", c.Target != nil, !quotable},
		{"options", len(c.Options) > 0, false},
	} {
		if field.given && !field.allowed {
			return invalidField(field.name, fmt.Sprintf("a message of the kind %s has none", c.Kind))
		}
	}
	return nil
}

// hasText reports whether messages of this kind show a text or a caption.
func (c Content) hasText() bool {
	switch c.Kind {
	case KindText, KindEdit, KindImage, KindVideo, KindDocument:
		return true
	default:
		return false
	}
}

func (c Content) checkText() error {
	limit, required := maxCaption, false
	if c.Kind == KindText || c.Kind == KindEdit {
		limit, required = maxText, true
	}
	switch n := utf8.RuneCountInString(c.Text); {
	case !utf8.ValidString(c.Text):
		return invalidField("text", "expected UTF-8")
	case required && strings.TrimFunc(c.Text, isPadding) == "":
		return invalidField("text", fmt.Sprintf("expected 1 to %d characters, and some that can be seen", limit))
	case n > limit:
		return invalidField("text", fmt.Sprintf("expected at most %d characters, got %d", limit, n))
	default:
		return nil
	}
}

// checkExtras checks the mentions, the quote and the link preview.
func (c Content) checkExtras() error {
	if len(c.Mentions) > maxMentions {
		return invalidField("mentions", fmt.Sprintf("expected at most %d", maxMentions))
	}
	for i, who := range c.Mentions {
		if err := who.checkPerson(fmt.Sprintf("mentions[%d]", i)); err != nil {
			return err
		}
	}
	if c.Quote != nil {
		if err := c.Quote.check("quote"); err != nil {
			return err
		}
	}
	if c.Preview != nil {
		return c.Preview.check(c.Text)
	}
	return nil
}

func (r *Ref) check(field string) error {
	switch {
	case r == nil:
		return invalidField(field, "expected the message that is meant")
	case r.ID == "" || len(r.ID) > maxMessageID:
		return invalidField(field+".id", fmt.Sprintf("expected the id of a message, 1 to %d bytes", maxMessageID))
	case !utf8.ValidString(r.Text) || utf8.RuneCountInString(r.Text) > maxText:
		return invalidField(field+".text", fmt.Sprintf("expected at most %d characters in UTF-8", maxText))
	case r.Sender.IsZero():
		return nil
	default:
		return r.Sender.checkPerson(field + ".sender")
	}
}

// checkPerson accepts an address by LID, by phone number or by both.
func (a Address) checkPerson(field string) error {
	if person, err := a.Person(field); err != nil || person != a {
		return invalidField(field, "expected a person: digits@s.whatsapp.net as pn, digits@lid as lid, or both")
	}
	return nil
}

func (p *Preview) check(text string) error {
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return invalidField("preview.url", "expected an http or https URL")
	case !strings.Contains(text, p.URL):
		return invalidField("preview.url", "expected a URL that stands in the text")
	case !shortText(p.Title, maxPlaceText):
		return invalidField("preview.title", fmt.Sprintf("expected at most %d characters in UTF-8", maxPlaceText))
	case !shortText(p.Description, maxPlaceText):
		return invalidField("preview.description", fmt.Sprintf("expected at most %d characters in UTF-8", maxPlaceText))
	default:
		return checkThumbnail("preview.thumbnail", p.Thumbnail)
	}
}

func (l *Location) check() error {
	within := func(degrees, limit float64) bool { return !math.IsNaN(degrees) && math.Abs(degrees) <= limit }
	switch {
	case l == nil:
		return invalidField("location", "expected latitude and longitude")
	case !within(l.Latitude, 90):
		return invalidField("location.latitude", "expected degrees from -90 to 90")
	case !within(l.Longitude, 180):
		return invalidField("location.longitude", "expected degrees from -180 to 180")
	case l.Live:
		return invalidField("location.live", "live locations cannot be sent")
	}
	if u, err := url.Parse(l.URL); l.URL != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
		return invalidField("location.url", "expected an http or https URL")
	}
	for _, text := range []struct{ field, value string }{{"name", l.Name}, {"address", l.Address}, {"url", l.URL}} {
		if !shortText(text.value, maxPlaceText) {
			return invalidField("location."+text.field, fmt.Sprintf("expected at most %d characters in UTF-8", maxPlaceText))
		}
	}
	return nil
}

func checkCards(cards []Card) error {
	if len(cards) == 0 || len(cards) > maxContacts {
		return invalidField("contacts", fmt.Sprintf("expected 1 to %d contacts", maxContacts))
	}
	for i, card := range cards {
		field := fmt.Sprintf("contacts[%d]", i)
		vcard := strings.ToUpper(strings.TrimSpace(card.VCard))
		switch {
		case strings.TrimSpace(card.Name) == "" || !shortText(card.Name, maxPlaceText):
			return invalidField(field+".name", fmt.Sprintf("expected 1 to %d characters in UTF-8", maxPlaceText))
		case len(card.VCard) > maxCard || !utf8.ValidString(card.VCard) || !strings.HasPrefix(vcard, "BEGIN:VCARD") || !strings.HasSuffix(vcard, "END:VCARD"):
			return invalidField(field+".vcard", fmt.Sprintf("expected a vCard from BEGIN:VCARD to END:VCARD of at most %d KiB", maxCard>>10))
		}
	}
	return nil
}

func (p *Poll) check() error {
	switch {
	case p == nil:
		return invalidField("poll", "expected a question and its answers")
	case strings.TrimSpace(p.Question) == "" || !shortText(p.Question, maxQuestion):
		return invalidField("poll.question", fmt.Sprintf("expected 1 to %d characters in UTF-8", maxQuestion))
	case len(p.Options) < 2 || len(p.Options) > maxOptions:
		return invalidField("poll.options", fmt.Sprintf("expected 2 to %d different answers, got %d", maxOptions, len(p.Options)))
	case p.Selectable < 0 || p.Selectable > len(p.Options):
		return invalidField("poll.selectable", fmt.Sprintf("expected 0 (any number) to %d", len(p.Options)))
	}
	seen := make(map[string]bool, len(p.Options))
	for i, option := range p.Options {
		field := fmt.Sprintf("poll.options[%d]", i)
		switch {
		case strings.TrimSpace(option) == "" || !shortText(option, maxOption):
			return invalidField(field, fmt.Sprintf("expected 1 to %d characters in UTF-8", maxOption))
		case seen[option]: // a vote identifies an answer by its hash
			return invalidField(field, fmt.Sprintf("expected 2 to %d different answers; this one is there already", maxOptions))
		}
		seen[option] = true
	}
	return nil
}

func (c Content) checkReaction() error {
	if err := c.Target.check("target"); err != nil {
		return err
	}
	if c.Reaction != "" && !isEmoji(c.Reaction) {
		return invalidField("reaction", `expected one emoji, or "" to take the reaction back`)
	}
	return nil
}

func shortText(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit
}

func invalidField(field, expected string) error {
	return &session.Error{Code: session.CodeInvalidRequest, Op: "check content", Field: field, Message: field + ": " + expected}
}
