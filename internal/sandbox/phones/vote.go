package phones

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/kinds"
)

// errVote means that a vote cannot be decrypted.
var errVote = errors.New("the vote cannot be decrypted")

// The uses of a message's secret.
const (
	useVote     = "Poll Vote"
	useReaction = "Enc Reaction"
)

// voteCipher returns the cipher and the additional data of a vote.
func voteCipher(secret []byte, pollID string, author, voter types.JID) (cipher.AEAD, []byte, error) {
	sealed, err := kinds.Cipher(useVote, secret, pollID, author, voter)
	return sealed, []byte(pollID + "\x00" + voter.ToNonAD().String()), err
}

// encryptedReaction encrypts a reaction to an announcement of a community. It fails if the announcement has no secret,
// as phones do.
func (p *codec) encryptedReaction(reaction *waE2E.ReactionMessage, target *Message) (*waE2E.EncReactionMessage, error) {
	if target.secret == nil {
		return nil, &OutgoingError{"target", "expected a message with a secret: without one nobody can react to an announcement"}
	}
	plain, err := proto.Marshal(&waE2E.ReactionMessage{Text: reaction.Text, SenderTimestampMS: reaction.SenderTimestampMS})
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding a reaction: %w", err)
	}
	server := target.chat.Server()
	sealer, err := kinds.Cipher(useReaction, target.secret, target.ID, target.author.JIDOn(server, 0), p.Account.JIDOn(server, 0))
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, sealer.NonceSize())
	_, _ = rand.Read(nonce)
	return &waE2E.EncReactionMessage{TargetMessageKey: reaction.Key, EncPayload: sealer.Seal(nil, nonce, plain, nil), EncIV: nonce}, nil
}

// readReaction decrypts a reaction to an announcement of a community. It ignores one that cannot be decrypted.
func (p *codec) readReaction(m *waE2E.EncReactionMessage, into *Message) {
	into.Kind = KindReaction
	p.readKey(m.GetTargetMessageKey(), into)
	target, _ := p.journal.find(into.about, into.Target)
	if target.secret == nil || target.chat.Shared == nil {
		into.Target = ""
		return
	}
	server := target.chat.Server()
	opener, err := kinds.Cipher(useReaction, target.secret, target.ID, target.author.JIDOn(server, 0), into.author.JIDOn(server, 0))
	if err != nil || len(m.GetEncIV()) != opener.NonceSize() {
		into.Target = ""
		return
	}
	var reaction waE2E.ReactionMessage
	plain, err := opener.Open(nil, m.GetEncIV(), m.GetEncPayload(), nil)
	if err == nil {
		err = proto.Unmarshal(plain, &reaction)
	}
	if err != nil {
		p.Net.Log.Debug("phone could not read a reaction", "id", into.ID, "err", err)
		into.Target = ""
		return
	}
	into.Text = reaction.GetText()
}

// vote encrypts a choice among the options of a poll.
func (p *codec) vote(out *Outgoing, poll, kept *Message) (*waE2E.PollUpdateMessage, error) {
	if poll.Poll == nil || poll.secret == nil {
		return nil, &OutgoingError{"target", "expected the id of a poll"}
	}
	if poll.Poll.Selectable > 0 && len(out.Options) > poll.Poll.Selectable {
		return nil, &OutgoingError{"options", fmt.Sprintf("the poll allows %d", poll.Poll.Selectable)}
	}
	var hashes [][]byte
	kept.Poll = &Poll{}
	for _, name := range out.Options {
		if !slices.ContainsFunc(poll.Poll.Options, func(o PollOption) bool { return o.Name == name }) {
			return nil, &OutgoingError{"options", fmt.Sprintf("the poll has no option %q", name)}
		}
		sum := sha256.Sum256([]byte(name))
		hashes = append(hashes, sum[:])
		kept.Poll.Options = append(kept.Poll.Options, PollOption{Name: name})
	}
	plain, err := proto.Marshal(&waE2E.PollVoteMessage{SelectedOptions: hashes})
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding a vote: %w", err)
	}
	server := poll.chat.Server()
	sealer, additional, err := voteCipher(poll.secret, poll.ID, poll.author.JIDOn(server, 0), p.Account.JIDOn(server, 0))
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, sealer.NonceSize())
	_, _ = rand.Read(nonce)
	return &waE2E.PollUpdateMessage{Vote: &waE2E.PollEncValue{EncPayload: sealer.Seal(nil, nonce, plain, additional), EncIV: nonce}}, nil
}

// openVote decrypts a vote on a poll that the phone has. A vote does not say which address, by number or by hidden id,
// the author and the voter used, so all combinations are tried.
func openVote(vote *waE2E.PollEncValue, poll *Message, voter *accounts.Account) (*Poll, error) {
	for _, authorOn := range []string{types.HiddenUserServer, types.DefaultUserServer} {
		for _, voterOn := range []string{types.HiddenUserServer, types.DefaultUserServer} {
			opener, additional, err := voteCipher(poll.secret, poll.ID, poll.author.JIDOn(authorOn, 0), voter.JIDOn(voterOn, 0))
			if err != nil {
				return nil, err
			}
			if len(vote.GetEncIV()) != opener.NonceSize() {
				return nil, errVote
			}
			plain, err := opener.Open(nil, vote.GetEncIV(), vote.GetEncPayload(), additional)
			if err != nil {
				continue
			}
			var choice waE2E.PollVoteMessage
			if err = proto.Unmarshal(plain, &choice); err != nil {
				return nil, fmt.Errorf("%w: %w", errVote, err)
			}
			return chosen(poll.Poll, choice.GetSelectedOptions()), nil
		}
	}
	return nil, errVote
}

// chosen returns the options whose hashes a vote has.
func chosen(poll *Poll, hashes [][]byte) *Poll {
	vote := &Poll{}
	for _, option := range poll.Options {
		sum := sha256.Sum256([]byte(option.Name))
		if slices.ContainsFunc(hashes, func(hash []byte) bool { return string(hash) == string(sum[:]) }) {
			vote.Options = append(vote.Options, PollOption{Name: option.Name})
		}
	}
	return vote
}
