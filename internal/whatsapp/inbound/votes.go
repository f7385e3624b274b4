package inbound

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
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
	var opened *waE2E.PollVoteMessage
	err := r.open(poll, func(ctx context.Context) (err error) {
		opened, err = r.t.c.Client.DecryptPollVote(ctx, r.eventWith(m))
		return err
	})
	if unreadable(err, "pollUpdateMessage", &out) || len(opened.GetSelectedOptions()) == 0 || out.Target == nil {
		return out
	}
	known := r.choices(out.Target)
	hashes := whatsmeow.HashPollOptions(known)
	selected := opened.GetSelectedOptions()
	for _, chosen := range selected[:min(len(selected), maxChosen)] {
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
		var content message.Content
		r.t.ask(func(ctx context.Context) (err error) {
			content, _, err = c.Sent(ctx, id, poll.ID)
			return err
		})
		if content.Poll != nil {
			return content.Poll.Options
		}
	}
	var event events.Event
	is, keys := false, r.keysOf(poll)
	r.t.ask(func(ctx context.Context) (err error) {
		event, is, err = c.Journal.Find(ctx, id, keys...)
		return err
	})
	if !is {
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

var (
	errNoKey   = errors.New("the key names no message")
	errUnasked = errors.New("the secret was not looked up")
)

// open calls a decryption of whatsmeow's, which looks up the secret of the message that the key names. The sender chose
// the key, so it is checked before a database sees it. whatsmeow panics on a nonce of the wrong length.
func (r *reading) open(key *waCommon.MessageKey, decrypt func(ctx context.Context) error) (err error) {
	for _, address := range []string{key.GetRemoteJID(), key.GetParticipant()} {
		if _, ok := parseJID(address); address != "" && !ok {
			return errNoKey
		}
	}
	if key.GetID() == "" || key.GetID() != idOf(key.GetID()) {
		return errNoKey
	}
	err = errUnasked
	r.t.ask(func(ctx context.Context) error {
		err = decryptGuarded(ctx, decrypt)
		// whatsmeow has no error value for this database failure.
		if err != nil && strings.Contains(err.Error(), "failed to get original message secret key") {
			return err
		}
		return nil
	})
	return err
}

func decryptGuarded(ctx context.Context, decrypt func(ctx context.Context) error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("whatsmeow panicked: %v", reason)
		}
	}()
	return decrypt(ctx)
}

// unreadable reports whether encrypted content could not be decrypted, and sets Unknown in the content.
func unreadable(err error, name string, out *message.Content) bool {
	if err != nil {
		out.Unknown = name
	}
	return err != nil
}
