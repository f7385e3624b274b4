package groups

import (
	"encoding/json"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/media"
)

// KeyGroup is the prefix of the keys of group records: g/JID.
const KeyGroup = "g/"

// groupState is a group on disk. Accounts are named by their hidden ids.
type groupState struct {
	JID           types.JID      `json:"jid"`
	Number        int64          `json:"number"` // the number of the newest group of the set
	Addressing    string         `json:"addressing"`
	Creator       string         `json:"creator"`
	Created       time.Time      `json:"created"`
	Subject       string         `json:"subject"`
	SubjectBy     string         `json:"subject_by"`
	SubjectAt     time.Time      `json:"subject_at"`
	Description   string         `json:"description"`
	DescriptionID string         `json:"description_id"`
	DescriptionBy string         `json:"description_by"`
	DescriptionAt time.Time      `json:"description_at"`
	Announce      bool           `json:"announce"`
	Community     bool           `json:"community,omitempty"`
	Locked        bool           `json:"locked"`
	Approval      bool           `json:"approval"`
	AdminAdds     bool           `json:"admin_adds"`
	Expiration    uint32         `json:"expiration"`
	Invite        string         `json:"invite"`
	Revoked       []string       `json:"revoked,omitempty"`
	Version       int            `json:"version"`
	Members       []memberState  `json:"members"`
	Requests      []askedState   `json:"requests"`
	Picture       *media.Picture `json:"picture,omitempty"`
}

type memberState struct {
	LID  string `json:"lid"`
	Role Role   `json:"role"`
}

type askedState struct {
	LID string    `json:"lid"`
	At  time.Time `json:"at"`
}

// Collect emits a record for each group, if all is set or a group changed since the last call that succeeded.
func (s *Set) Collect(all bool, emit func(string, any) error) error {
	if !s.mu.changed.Swap(false) && !all {
		return nil
	}
	err := s.collect(emit)
	if err != nil {
		s.mu.changed.Store(true)
	}
	return err
}

func (s *Set) collect(emit func(string, any) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.byJID {
		state := groupState{
			JID: g.JID, Number: s.last, Addressing: g.Addressing, Creator: accounts.LIDOf(g.creator), Created: g.created,
			Subject: g.subject.text, SubjectBy: accounts.LIDOf(g.subject.by), SubjectAt: g.subject.at,
			Description: g.description.text, DescriptionID: g.description.id, DescriptionBy: accounts.LIDOf(g.description.by), DescriptionAt: g.description.at,
			Announce: g.announce, Locked: g.locked, Approval: g.approval, AdminAdds: g.adminAdds, Community: g.community,
			Expiration: g.expiration, Invite: g.invite, Revoked: g.revoked, Version: g.version, Picture: g.picture.State(),
		}
		for _, m := range g.members {
			state.Members = append(state.Members, memberState{accounts.LIDOf(m.account), m.role})
		}
		for _, r := range g.requests {
			state.Requests = append(state.Requests, askedState{accounts.LIDOf(r.account), r.at})
		}
		if err := emit(KeyGroup+g.JID.String(), state); err != nil {
			return err
		}
	}
	return nil
}

// Restore adds a group from its record. It skips a group whose creator's account was removed.
func (s *Set) Restore(raw json.RawMessage, files *media.Store) error {
	var state groupState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	at := func(lid string) *accounts.Account { return s.dir.Hidden(lid) }
	by := func(lid string) *accounts.Account {
		if a := at(lid); a != nil || lid == "" {
			return a
		}
		return at(state.Creator) // whoever set a text must be known: fall back to the creator
	}
	if state.JID.Server != types.GroupServer || at(state.Creator) == nil {
		return nil // the creator's account was removed, and a group cannot be described without its creator
	}
	g := &Group{
		set: s, JID: state.JID, Addressing: state.Addressing, creator: at(state.Creator), created: state.Created,
		subject:     wording{text: state.Subject, by: by(state.SubjectBy), at: state.SubjectAt},
		description: wording{text: state.Description, id: state.DescriptionID, by: by(state.DescriptionBy), at: state.DescriptionAt},
		announce:    state.Announce, locked: state.Locked, approval: state.Approval, adminAdds: state.AdminAdds, community: state.Community,
		expiration: state.Expiration, invite: state.Invite, revoked: state.Revoked, version: state.Version,
	}
	for _, m := range state.Members {
		if a := at(m.LID); a != nil {
			g.members = append(g.members, member{account: a, role: m.Role})
		}
	}
	for _, r := range state.Requests {
		if a := at(r.LID); a != nil {
			g.requests = append(g.requests, joinRequest{account: a, at: r.At})
		}
	}
	g.picture = files.RestorePicture(state.Picture)
	s.last = max(s.last, state.Number)
	s.byJID[g.JID] = g
	for _, code := range append([]string{g.invite}, g.revoked...) {
		if code != "" {
			s.byLink[code] = g
		}
	}
	return nil
}
