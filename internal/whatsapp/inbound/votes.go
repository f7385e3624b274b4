package inbound

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

// vote decrypts a vote. That works if the poll's secret is known: the poll brought it, or it was made when the poll was
// sent.
func (r *reading) vote(m *waE2E.Message) message.Content {
	poll := m.GetPollUpdateMessage().GetPollCreationMessageKey()
	out := message.Content{Kind: message.KindPollVote, Target: r.ref(poll)}
	opened, err := r.t.c.Client.DecryptPollVote(r.t.ctx, r.eventWith(m))
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

// choices returns the options of a poll that the session has sent, or has received and stored. Unknown: nil.
func (r *reading) choices(poll *message.Ref) []string {
	c, id := r.t.c, r.t.c.Session
	if poll.FromMe && c.Sent != nil {
		sent, is, err := c.Sent(r.t.ctx, id, poll.ID)
		if r.t.recordFailure(err); is && sent.Content.Poll != nil {
			return sent.Content.Poll.Options
		}
	}
	event, is, err := c.Journal.Find(r.t.ctx, id, r.keysOf(poll)...)
	if r.t.recordFailure(err); !is {
		return nil
	}
	var msg events.MessageData
	if err := json.Unmarshal(event.Data, &msg); err != nil || msg.Content == nil || msg.Content.Poll == nil {
		return nil
	}
	return msg.Content.Poll.Options
}

// keysOf returns the keys under which a message of this chat may be stored: with chat and sender as LID or as phone
// number.
func (r *reading) keysOf(ref *message.Ref) []string {
	chats := []string{r.event.Info.Chat.String()}
	for _, other := range []string{r.t.chatOf(&r.event.Info.MessageSource).LID, r.t.chatOf(&r.event.Info.MessageSource).PN} {
		if other != "" && other != chats[0] {
			chats = append(chats, other)
		}
	}
	senders := []string{ref.Sender.LID, ref.Sender.PN}
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
			if sender != "" {
				keys = append(keys, keyOf(events.TypeMessage, digest(chat, sender, ref.ID)))
			}
		}
	}
	return keys
}

// unknownOption is the prefix of an option whose text is not known. The SHA-256 of the option follows.
const unknownOption = "sha256:"

// unreadable reports whether encrypted content could not be decrypted, and sets Unknown in the content. A database
// failure is recorded: the message has to come again.
func (r *reading) unreadable(err error, name string, out *message.Content) bool {
	if err == nil {
		return false
	}
	// whatsmeow has no error value for this database failure.
	if strings.Contains(err.Error(), "failed to get original message secret key") {
		r.t.recordFailure(err)
	}
	out.Unknown = name
	return true
}
