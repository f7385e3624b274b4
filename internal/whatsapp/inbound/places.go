package inbound

import (
	"context"
	"encoding/json"
	"math"

	"go.mau.fi/whatsmeow/types"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
)

// This file has what statuses, broadcast lists and channels have of their own.

// maxRecipients is the number of people in a broadcast list, as the apps allow it.
const maxRecipients = 256

// recipients returns to whom a message of the account went by a broadcast list.
func (t *translation) recipients(source *types.MessageSource) (list []message.Address) {
	if !source.IsFromMe || !source.Chat.IsBroadcastList() {
		return nil
	}
	for _, each := range atMost(t, source.BroadcastRecipients, maxRecipients) {
		if who := addressOf(each.LID, each.PN); who.LID != "" || who.PN != "" {
			list = append(list, who)
		}
	}
	return list
}

// receiptChat returns the chat of the messages that a receipt is about. Of a broadcast list the account is the owner, unless
// another device of the account has read somebody else's message.
func (t *translation) receiptChat(source *types.MessageSource) message.Address {
	switch {
	case !source.Chat.IsBroadcastList():
		return t.chatOf(source)
	case source.IsFromMe && !source.BroadcastListOwner.IsEmpty():
		return t.address(source.BroadcastListOwner)
	default:
		return t.address(source.Chat)
	}
}

// serverIDOf returns WhatsApp's number of a channel's post, or 0.
func serverIDOf(info *types.MessageInfo) int {
	if info.Chat.Server != types.NewsletterServer || info.ServerID < 0 || int64(info.ServerID) > math.MaxInt32 {
		return 0
	}
	return int(info.ServerID)
}

// editedPost returns an edit of a channel's post: the post comes again, whole and with the same id. WhatsApp's server lets
// only its admins edit it.
func (t *translation) editedPost(info *types.MessageInfo, now message.Content) message.Content {
	switch now.Kind {
	case message.KindText, message.KindImage, message.KindVideo, message.KindDocument:
	default:
		return now
	}
	return message.Content{
		Kind: message.KindEdit, Text: now.Text, Mentions: now.Mentions, Preview: now.Preview, Target: &message.Ref{ID: idOf(info.ID), Sender: t.address(info.Chat)},
	}
}

// ServerID returns WhatsApp's number of a channel's post that the log has, or 0.
func (c *Translator) ServerID(ctx context.Context, channel types.JID, id string) (int, error) {
	if c.Journal == nil {
		return 0, nil
	}
	in := addressOf(channel)
	event, is, err := c.Journal.Find(ctx, c.Session, messageKeys(in, in, id)...)
	var data eventlog.MessageData
	if err != nil || !is || json.Unmarshal(event.Data, &data) != nil {
		return 0, err
	}
	return data.ServerID, nil
}

// inChat sets the chat of a message that another one refers to, if that is not the chat of the message that is read. name
// is the address that the sender chose; "" means the same chat.
func (r *reading) inChat(name string, ref *message.Ref) {
	if name == "" {
		return
	}
	chat := r.t.parseAddress(name)
	if here := r.t.chatOf(&r.event.Info.MessageSource); chat != here && !same(chat, here) {
		ref.Chat = chat
	}
}
