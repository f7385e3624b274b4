package channels

import (
	"encoding/json"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/disk"
)

// Key is the prefix of the keys of channel records: n/JID.
const Key = "n/"

// channelState is a channel on disk. Accounts are named by their hidden ids.
type channelState struct {
	JID       types.JID   `json:"jid"`
	Number    int64       `json:"number"` // the number of the newest channel of the set
	Name      string      `json:"name"`
	Owner     string      `json:"owner"`
	Followers []string    `json:"followers"`
	Last      int         `json:"last"` // the number of the newest post
	Posts     []postState `json:"posts"`
}

type postState struct {
	ID        string            `json:"id"`
	Number    int               `json:"number"`
	At        time.Time         `json:"at"`
	Reactions map[string]string `json:"reactions,omitempty"`
}

// Collect emits a record for each channel, if all is set or a channel changed since the last call that succeeded.
func (s *Set) Collect(all bool, emit func(string, any) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.changed && !all {
		return nil
	}
	for _, jid := range s.removed {
		if err := emit(Key+jid.String(), nil); err != nil {
			return err
		}
	}
	for _, c := range s.byJID {
		state := channelState{JID: c.jid, Number: s.last, Name: c.name, Owner: accounts.LIDOf(c.owner), Last: c.last}
		for _, a := range c.followers {
			state.Followers = append(state.Followers, accounts.LIDOf(a))
		}
		for _, p := range c.posts {
			stored := postState{ID: p.id, Number: p.number, At: p.at, Reactions: make(map[string]string)}
			for from, emoji := range p.reactions {
				stored.Reactions[accounts.LIDOf(from)] = emoji
			}
			state.Posts = append(state.Posts, stored)
		}
		if err := emit(Key+c.jid.String(), state); err != nil {
			return err
		}
	}
	s.changed, s.removed = false, nil
	return nil
}

// Restore adds a channel from its record. It skips a channel whose owner's account was removed.
func (s *Set) Restore(raw json.RawMessage) error {
	var state channelState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	owner := s.dir.Hidden(state.Owner)
	if owner == nil || state.JID.Server != types.NewsletterServer {
		return nil
	}
	c := &channel{jid: state.JID, name: state.Name, owner: owner, last: state.Last}
	for _, lid := range state.Followers {
		if a := s.dir.Hidden(lid); a != nil {
			c.followers = append(c.followers, a)
		}
	}
	for _, stored := range state.Posts {
		p := &post{id: stored.ID, number: stored.Number, at: stored.At, reactions: make(map[*accounts.Account]string)}
		for lid, emoji := range stored.Reactions {
			if a := s.dir.Hidden(lid); a != nil {
				p.reactions[a] = emoji
			}
		}
		c.posts = append(c.posts, p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, state.Number)
	s.byJID[c.jid] = c
	return nil
}
