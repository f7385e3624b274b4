package whatsapp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/events"
	"wasup/internal/message"
)

// vote is what somebody chose in a poll. It can be read where the poll's secret is known, which came with the poll or was
// made with it.
func (r *reading) vote(m *waE2E.Message) message.Content {
	poll := m.GetPollUpdateMessage().GetPollCreationMessageKey()
	out := message.Content{Kind: message.KindPollVote, Target: r.ref(poll)}
	opened, err := r.t.c.wa.DecryptPollVote(r.t.ctx, r.with(m))
	if r.unreadable(err, "pollUpdateMessage", &out) || len(opened.GetSelectedOptions()) == 0 || out.Target == nil {
		return out
	}
	known := r.choices(out.Target)
	hashes := whatsmeow.HashPollOptions(known)
	for _, chosen := range opened.GetSelectedOptions() {
		name := unknownOption + hex.EncodeToString(chosen)
		for i := range hashes {
			if bytes.Equal(hashes[i], chosen) {
				name = known[i]
			}
		}
		out.Options = append(out.Options, name)
	}
	return out
}

// choices are the answers of a poll: the session sent it, or it was received and kept.
func (r *reading) choices(poll *message.Ref) []string {
	c, id := r.t.c, r.t.c.run.Session
	if poll.FromMe && c.sent != nil {
		content, is, err := c.sent(r.t.ctx, id, poll.ID)
		if r.t.failed(err); is && content.Poll != nil {
			return content.Poll.Options
		}
	}
	event, is, err := c.journal.Find(r.t.ctx, id, r.keysOf(poll)...)
	if r.t.failed(err); !is {
		return nil
	}
	var msg events.MessageData
	if err := json.Unmarshal(event.Data, &msg); err != nil || msg.Content == nil || msg.Content.Poll == nil {
		return nil
	}
	return msg.Content.Poll.Options
}

// keysOf are the keys that a message of this chat can have been kept under: chat and sender as LID or number.
func (r *reading) keysOf(ref *message.Ref) []string {
	chats := []string{r.event.Info.Chat.String()}
	for _, other := range []string{r.t.chatOf(&r.event.Info.MessageSource).LID, r.t.chatOf(&r.event.Info.MessageSource).PN} {
		if other != "" && other != chats[0] {
			chats = append(chats, other)
		}
	}
	senders := []string{ref.Sender.LID, ref.Sender.PN}
	if ref.FromMe {
		account := r.t.c.account.public()
		senders = nil
		for _, text := range []string{account.LID, account.JID} {
			if jid, err := types.ParseJID(text); err == nil {
				senders = append(senders, jid.ToNonAD().String())
			}
		}
	}
	var keys []string
	for _, chat := range chats {
		for _, sender := range senders {
			if sender != "" {
				keys = append(keys, keyOf(events.TypeMessage, digest(chat, sender, ref.ID)))
			}
		}
	}
	return keys
}

// unknownOption begins a choice of a poll that is not known: its SHA-256 follows.
const unknownOption = "sha256:"

// unreadable reports that sealed content could not be opened, and says so in the content. A database that fails is
// another matter: the message has to come again.
func (r *reading) unreadable(err error, name string, out *message.Content) bool {
	if err == nil {
		return false
	}
	// whatsmeow has no type for it.
	if strings.Contains(err.Error(), "failed to get original message secret key") {
		r.t.failed(err)
	}
	out.Unknown = name
	return true
}
