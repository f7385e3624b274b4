package phones

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
)

// errVote means that a vote cannot be decrypted.
var errVote = errors.New("the vote cannot be decrypted")

// voteCipher returns the cipher and the additional data of a vote. The key is derived from the poll's secret, the
// poll's id and author, and the voter (whatsmeow msgsecret.go, generateMsgSecretKey).
func voteCipher(secret []byte, pollID string, author, voter types.JID) (cipher.AEAD, []byte, error) {
	info := pollID + author.ToNonAD().String() + voter.ToNonAD().String() + "Poll Vote"
	key, err := hkdf.Key(sha256.New, secret, nil, info, 32)
	if err != nil {
		return nil, nil, fmt.Errorf("derive the key of a vote: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make cipher: %w", err)
	}
	sealed, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("make GCM: %w", err)
	}
	return sealed, []byte(pollID + "\x00" + voter.ToNonAD().String()), nil
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
	server := types.HiddenUserServer
	if poll.chat.Group != nil {
		server = poll.chat.Group.Server()
	}
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
