package message

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wasup/internal/session"
)

// This file has the chats that are neither with a person nor a group: the statuses, broadcast lists and channels. Little
// can be sent to them.

// The servers of the addresses of these chats.
const (
	serverBroadcast = "broadcast"
	serverChannel   = "newsletter"
)

// StatusChat is the chat of all statuses. Each status has its author as its sender.
const StatusChat Recipient = "status@" + serverBroadcast

// IsStatus reports whether the recipient is the chat of all statuses.
func (r Recipient) IsStatus() bool { return r == StatusChat }

// IsList reports whether the recipient is a broadcast list of the account.
func (r Recipient) IsList() bool {
	return strings.HasSuffix(string(r), "@"+serverBroadcast) && !r.IsStatus()
}

// IsChannel reports whether the recipient is a channel.
func (r Recipient) IsChannel() bool { return strings.HasSuffix(string(r), "@"+serverChannel) }

// parsePlace accepts status@broadcast, digits@broadcast of a list and digits@newsletter of a channel.
func parsePlace(s string) (Recipient, bool) {
	user, server, _ := strings.Cut(strings.TrimFunc(s, isPadding), "@")
	place := Recipient(user + "@" + server)
	switch server {
	case serverBroadcast:
		return place, place.IsStatus() || isDigits(user, 5, 32)
	case serverChannel:
		return place, isDigits(user, 5, 32)
	default:
		return "", false
	}
}

// place returns the part of an address that is no person's, or "".
func (a Address) place() string { return cmp.Or(a.Group, a.Status, a.Channel, a.List, a.Other) }

// Forms returns all forms of the address: the LID and the phone number of a person, or the one address of another chat.
func (a Address) Forms() []string {
	return slices.DeleteFunc([]string{a.Group, a.Status, a.Channel, a.List, a.Other, a.LID, a.PN}, func(text string) bool { return text == "" })
}

// placeAddress returns the address of a chat that is neither with a person nor a group.
func (r Recipient) placeAddress() (Address, bool) {
	switch {
	case r.IsStatus():
		return Address{Status: string(r)}, true
	case r.IsList():
		return Address{List: string(r)}, true
	case r.IsChannel():
		return Address{Channel: string(r)}, true
	default:
		return Address{}, false
	}
}

// CheckChat returns an error with CodeUnsupported if nobody can write to the chat, nor type there. field is the chat's
// field in errors.
func (r Recipient) CheckChat(field string) error {
	switch {
	case r.IsStatus():
		return unsupported(field, "nothing can be done in the chat of statuses; a status is answered by a message with quote, or with target and a reaction")
	case r.IsList():
		return unsupported(field, "nothing can be sent to a broadcast list: only the account's phone does that")
	case r.IsChannel():
		return unsupported(field, "nothing but reactions can be sent to a channel")
	default:
		return nil
	}
}

// Addressed returns the recipient and the content of a message. An answer or a reaction that is addressed to the chat of
// statuses goes to the author of the status. Errors name the field; CodeUnsupported means that WhatsApp, or wasup, does
// not do that in such a chat.
func Addressed(to Recipient, content Content) (Recipient, Content, error) {
	ref, field := content.Quote, "quote"
	if content.Kind == KindReaction {
		ref, field = content.Target, "target"
	}
	if to.IsChannel() && content.Kind == KindReaction {
		return to, content, nil
	}
	if !to.IsStatus() {
		if err := to.CheckChat("to"); err != nil {
			return to, content, err
		}
		return to, content, ref.checkChat(field, to)
	}
	switch {
	case ref == nil || content.Target != nil && content.Kind != KindReaction:
		return to, content, to.CheckChat("to")
	case ref.FromMe:
		return to, content, unsupported(field+".from_me", "a status of the account itself cannot be answered")
	case ref.Sender.IsZero():
		return to, content, invalidField(field+".sender", "expected the author of the status")
	}
	author, err := ref.Sender.Recipient(field + ".sender")
	if err != nil {
		return to, content, err
	}
	status := *ref
	status.Chat = Address{Status: string(StatusChat)}
	if content.Kind == KindReaction {
		content.Target = &status
	} else {
		content.Quote = &status
	}
	return author, content, nil
}

// checkChat checks the chat of a quoted message, or of one reacted to: it is the chat of the message, or that of statuses.
func (r *Ref) checkChat(field string, to Recipient) error {
	switch {
	case r == nil || r.Chat.IsZero():
		return nil
	case r.Chat != (Address{Status: string(StatusChat)}):
		return unsupported(field+".chat", "only a status can be answered in another chat")
	case to.IsGroup():
		return unsupported("to", "a status can be answered in the chat with its author only")
	case r.FromMe:
		return unsupported(field+".from_me", "a status of the account itself cannot be answered")
	default:
		return nil
	}
}

// checkPlace returns the error of a message that cannot be sent to a chat of this kind, or nil.
func (c Content) checkPlace(to Recipient) error {
	if to.IsChannel() && c.Kind == KindReaction {
		return nil
	}
	return to.CheckChat("to")
}

func unsupported(field, reason string) error {
	return &session.Error{Code: session.CodeUnsupported, Op: "check chat", Field: field, Message: fmt.Sprintf("%s: %s", field, reason)}
}
