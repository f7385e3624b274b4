package inbound

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

// vote decrypts a vote. That works if the poll's secret is known: the poll brought it, or it was made when the poll was
// sent.
func (r *reading) vote(m *waE2E.Message) message.Content {
	poll := m.GetPollUpdateMessage().GetPollCreationMessageKey()
	var opened *waE2E.PollVoteMessage
	err := r.open(poll, func(ctx context.Context) (err error) {
		opened, err = r.t.c.Client.DecryptPollVote(ctx, r.eventWith(m))
		return err
	})
	if err != nil {
		return unreadable("pollUpdateMessage", r.ref(poll))
	}
	out := message.Content{Kind: message.KindPollVote, Target: r.ref(poll)}
	if len(opened.GetSelectedOptions()) == 0 || out.Target == nil {
		return out
	}
	known := r.choices(out.Target)
	hashes := whatsmeow.HashPollOptions(known)
	for _, chosen := range atMost(r.t, opened.GetSelectedOptions(), maxChosen) {
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
	if content, is := r.storedIn("", poll); is && content.Poll != nil {
		return content.Poll.Options
	}
	return nil
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

// unreadable returns what is about another message and does not say what: it could not be decrypted, or has nothing that
// can be told. As a reaction, a vote or an edit it would mean that something was taken back. name is WhatsApp's name for
// its kind.
func unreadable(name string, target *message.Ref) message.Content {
	return message.Content{Kind: message.KindUnknown, Unknown: name, Target: target}
}
