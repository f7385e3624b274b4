package inbound

import (
	"context"
	"encoding/json"
	"slices"

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

// storedIn returns the content of a message that the session has sent, or has received and stored: of the given chat, an
// address that the sender chose, or with "" of the chat of the message that is read.
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
	in, author := r.t.chatOf(&r.event.Info.MessageSource), ref.Sender
	if chat != "" {
		in = r.t.parseAddress(chat)
	}
	if ref.FromMe {
		author = c.ownAddress()
	}
	data, is := r.find(in, author, ref.ID)
	if !is && ref.FromMe {
		data, is = r.find(message.Address{List: ownLists}, author, ref.ID)
	}
	if !is || data.Content == nil || data.Chat.List != "" && !wentTo(&data, in) {
		return content, false
	}
	return *data.Content, true
}

// wentTo reports whether a message to a list is shown in a chat: of the list, or with one of its recipients.
func wentTo(data *events.MessageData, chat message.Address) bool {
	return chat.List == data.Chat.List || slices.ContainsFunc(data.Recipients, func(who message.Address) bool { return same(who, chat) })
}

// find returns a message that the log has.
func (r *reading) find(chat, author message.Address, id string) (data events.MessageData, is bool) {
	keys := messageKeys(chat, author, id)
	if len(keys) == 0 {
		return data, false
	}
	var event events.Event
	r.t.ask(func(ctx context.Context) (err error) {
		event, is, err = r.t.c.Journal.Find(ctx, r.t.c.Session, keys...)
		return err
	})
	is = is && json.Unmarshal(event.Data, &data) == nil
	return data, is
}

// ownLists stands for all broadcast lists of the account in the keys of messages. The recipients of a message do not know
// the list that it came by.
const ownLists = "lists"

// messageKeys returns the keys under which a message may be stored.
func messageKeys(chat, author message.Address, id string) (keys []string) {
	if chat.List != "" {
		chat.List = ownLists
	}
	for _, in := range chat.Forms() {
		for _, by := range author.Forms() {
			keys = append(keys, keyOf(events.TypeMessage, digest(in, by, id)))
		}
	}
	return keys
}

func (c *Translator) ownAddress() message.Address {
	jid, lid := c.Own()
	return addressOf(jid, lid)
}

// Seen returns a message that the log has, or that the session has sent, by its chat and author, whatever form their
// addresses have. An error is a failure of the database.
func (c *Translator) Seen(ctx context.Context, chat, author types.JID, id string) (seen message.Seen, is bool, err error) {
	if c.Journal == nil {
		return message.Seen{}, false, nil
	}
	t := &translation{c: c, ctx: ctx}
	in, by := t.address(chat), t.address(author)
	own := t.isOwn(by)
	if own {
		by = c.ownAddress()
	}
	keys := messageKeys(in, by, id)
	if len(keys) == 0 || t.err != nil {
		return message.Seen{}, false, t.err
	}
	event, is, err := c.Journal.Find(ctx, c.Session, keys...)
	switch {
	case err != nil:
	case is:
		seen, is, err = c.logged(ctx, &event)
	case own:
		seen, is, err = c.sentTo(ctx, in, id)
	}
	if is && err == nil && own && !seen.Revoked && c.Revoked != nil {
		seen.Revoked, err = c.Revoked(ctx, c.Session, id)
	}
	return seen, is, err
}

// logged returns the message of an event as it is now.
func (c *Translator) logged(ctx context.Context, event *events.Event) (seen message.Seen, is bool, err error) {
	var data events.MessageData
	if json.Unmarshal(event.Data, &data) != nil || data.Content == nil {
		return message.Seen{}, false, nil
	}
	seen = message.Seen{Content: *data.Content, At: data.At}
	return seen, true, c.addChanges(ctx, events.Query{AfterSeq: event.Seq}, &data, &seen)
}

// sentTo returns a message that the session has sent, as it is now. Of most, only the kind is still stored.
func (c *Translator) sentTo(ctx context.Context, chat message.Address, id string) (seen message.Seen, is bool, err error) {
	if c.Sent == nil {
		return message.Seen{}, false, nil
	}
	sent, is, err := c.Sent(ctx, c.Session, id)
	if err != nil || !is {
		return message.Seen{}, false, err
	}
	after, err := c.Journal.At(ctx, sent.CreatedAt)
	if err != nil {
		return message.Seen{}, false, err
	}
	seen = message.Seen{Content: sent.Content, At: sent.AckedAt, Partial: true}
	return seen, true, c.addChanges(ctx, events.Query{After: after}, &events.MessageData{ID: id, Chat: chat, FromMe: true}, &seen)
}

// maxChanges bounds the pages of later changes, of any message, that are searched for those of one message.
const maxChanges = 10

// addChanges adds what has changed of a message since a place in the log: the text of its last edit, and whether it was
// deleted. The log has no index of the messages that others are about.
func (c *Translator) addChanges(ctx context.Context, since events.Query, of *events.MessageData, seen *message.Seen) error {
	since.Session, since.Types = c.Session, []events.Type{events.TypeEdited, events.TypeRevoked}
	for range maxChanges {
		list, upTo, err := c.Journal.Read(ctx, since)
		if err != nil {
			return err
		}
		for i := range list {
			if change, is := changeOf(list[i].Data, of); is && change.Kind == message.KindEdit {
				seen.Content.Text = change.Text
			} else if is {
				seen.Revoked = true
			}
		}
		if !since.Full(list) {
			break
		}
		since.After, since.AfterSeq = upTo, 0
	}
	return nil
}

// changeOf returns an edit or a revocation if it is about a message. Its chat and its author count, too: whoever writes a
// message chooses its id.
func changeOf(data []byte, of *events.MessageData) (change message.Content, is bool) {
	var later events.MessageData
	if json.Unmarshal(data, &later) != nil || later.Content == nil || later.Content.Target == nil {
		return change, false
	}
	target := later.Content.Target
	inChat := same(later.Chat, of.Chat) || later.Chat.Group != "" && later.Chat.Group == of.Chat.Group
	byAuthor := target.FromMe && of.FromMe || !of.FromMe && same(target.Sender, of.Sender)
	return *later.Content, target.ID == of.ID && inChat && byAuthor
}
