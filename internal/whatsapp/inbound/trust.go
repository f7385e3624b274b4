package inbound

import (
	"context"
	"encoding/json"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/events"
	"wasup/internal/message"
)

// This file decides what to believe of what a message says about another one. Its sender writes the key of the other
// message, and the text of a quote. WhatsApp's server sees neither, because both are encrypted.

// IsAdmin reports whether one of the addresses is an admin's of the group. It returns false where that is not known.
type IsAdmin func(ctx context.Context, group types.JID, person ...types.JID) bool

// unauthorized returns an edit or a revocation that phones ignore. name is WhatsApp's name for its kind.
func unauthorized(name string, target *message.Ref) message.Content {
	return message.Content{Kind: message.KindUnknown, Unknown: name, Unauthorized: true, Target: target}
}

// isAuthor reports whether the sender of the message that is read wrote the target.
func (r *reading) isAuthor(target *message.Ref) bool {
	info := &r.event.Info
	switch {
	case target == nil:
		return false
	case info.Chat.Server == types.NewsletterServer: // WhatsApp's server lets only its admins write
		return true
	case info.IsFromMe:
		return target.FromMe
	case target.FromMe || !same(target.Sender, r.t.address(info.Sender, info.SenderAlt)):
		return false
	default:
		return !r.isOurs(target)
	}
}

// mayRevoke reports whether the sender of the message that is read may delete the target for everyone.
func (r *reading) mayRevoke(target *message.Ref) bool {
	info := &r.event.Info
	switch {
	case r.isAuthor(target):
		return true
	case target == nil || info.Chat.Server != types.GroupServer || r.t.offline || r.t.c.IsAdmin == nil:
		return false
	default:
		return info.IsFromMe || r.t.c.IsAdmin(r.t.ctx, info.Chat, info.Sender.ToNonAD(), info.SenderAlt.ToNonAD())
	}
}

// isOurs reports whether the account itself wrote a message of this id in the chat, and the author that the target names
// did not: whoever claims to be the author of a message may name ours.
func (r *reading) isOurs(target *message.Ref) bool {
	if _, is := r.storedIn("", target); is {
		return false
	}
	_, is := r.storedIn("", &message.Ref{ID: target.ID, FromMe: true})
	return is
}

func same(a, b message.Address) bool {
	return a.LID != "" && a.LID == b.LID || a.PN != "" && a.PN == b.PN
}

// storedIn returns the content of a message that the session has sent, or has received and stored: of the given chat, or
// of the chat of the message that is read.
func (r *reading) storedIn(chat string, ref *message.Ref) (content message.Content, is bool) {
	c, id := r.t.c, r.t.c.Session
	if ref.FromMe && c.Sent != nil {
		var sent message.Message
		r.t.ask(func(ctx context.Context) (err error) {
			sent, is, err = c.Sent(ctx, id, ref.ID)
			return err
		})
		if is {
			return sent.Content, true
		}
	}
	keys := r.keysOf(chat, ref)
	if len(keys) == 0 {
		return content, false
	}
	var event events.Event
	r.t.ask(func(ctx context.Context) (err error) {
		event, is, err = c.Journal.Find(ctx, id, keys...)
		return err
	})
	var data events.MessageData
	if !is || json.Unmarshal(event.Data, &data) != nil || data.Content == nil {
		return content, false
	}
	return *data.Content, true
}

// keysOf returns the keys under which a message may be stored: with chat and sender as LID or as phone number. chat is an
// address that the sender chose, or "" for the chat of the message that is read.
func (r *reading) keysOf(chat string, ref *message.Ref) []string {
	var chats []string
	add := func(list []string, addresses ...string) []string {
		for _, address := range addresses {
			if address != "" {
				list = append(list, address)
			}
		}
		return list
	}
	if chat != "" {
		address := r.t.parseAddress(chat)
		chats = add(chats, address.Group, address.LID, address.PN)
	} else {
		address := r.t.chatOf(&r.event.Info.MessageSource)
		chats = add(chats, address.Group, address.LID, address.PN)
	}
	senders := add(nil, ref.Sender.LID, ref.Sender.PN)
	if ref.FromMe {
		jid, lid := r.t.c.Own()
		senders = nil
		for _, own := range []types.JID{lid, jid} {
			if !own.IsEmpty() {
				senders = append(senders, own.ToNonAD().String())
			}
		}
	}
	var keys []string
	for _, chat := range chats {
		for _, sender := range senders {
			keys = append(keys, keyOf(events.TypeMessage, digest(chat, sender, ref.ID)))
		}
	}
	return keys
}
