package sandbox

import (
	"encoding/json"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// groupState is a group on disk. Accounts go by their hidden ids.
type groupState struct {
	JID           types.JID     `json:"jid"`
	Number        int64         `json:"number"` // the last that a group was made with
	Addressing    string        `json:"addressing"`
	Creator       string        `json:"creator"`
	Created       time.Time     `json:"created"`
	Subject       string        `json:"subject"`
	SubjectBy     string        `json:"subject_by"`
	SubjectAt     time.Time     `json:"subject_at"`
	Description   string        `json:"description"`
	DescriptionID string        `json:"description_id"`
	DescriptionBy string        `json:"description_by"`
	DescriptionAt time.Time     `json:"description_at"`
	Announce      bool          `json:"announce"`
	Locked        bool          `json:"locked"`
	Approval      bool          `json:"approval"`
	AdminAdds     bool          `json:"admin_adds"`
	Expiration    uint32        `json:"expiration"`
	Invite        string        `json:"invite"`
	Version       int           `json:"version"`
	Members       []memberState `json:"members"`
	Requests      []askedState  `json:"requests"`
	Picture       *pictureState `json:"picture,omitempty"`
}

type memberState struct {
	LID  string `json:"lid"`
	Role Role   `json:"role"`
}

type askedState struct {
	LID string    `json:"lid"`
	At  time.Time `json:"at"`
}

// collect tells everything about the groups.
func (s *groupSet) collect(emit func(string, any) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.byJID {
		state := groupState{
			JID: g.jid, Number: s.last, Addressing: g.addressing, Creator: lidOf(g.creator), Created: g.created,
			Subject: g.subject.text, SubjectBy: lidOf(g.subject.by), SubjectAt: g.subject.at,
			Description: g.description.text, DescriptionID: g.description.id, DescriptionBy: lidOf(g.description.by), DescriptionAt: g.description.at,
			Announce: g.announce, Locked: g.locked, Approval: g.approval, AdminAdds: g.adminAdds,
			Expiration: g.expiration, Invite: g.invite, Version: g.version, Picture: g.picture.state(),
		}
		for _, m := range g.members {
			state.Members = append(state.Members, memberState{lidOf(m.account), m.role})
		}
		for _, r := range g.requests {
			state.Requests = append(state.Requests, askedState{lidOf(r.account), r.at})
		}
		if err := emit(keyGroup+g.jid.String(), state); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) restoreGroup(raw json.RawMessage) error {
	var state groupState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	at := func(lid string) *account { return k.dir.byLID[lid] }
	by := func(lid string) *account {
		if a := at(lid); a != nil || lid == "" {
			return a
		}
		return at(state.Creator) // somebody has to have done it
	}
	if state.JID.Server != types.GroupServer || at(state.Creator) == nil {
		return nil // of a phone that was removed: nobody could tell what it is
	}
	g := &group{
		set: k.groups, jid: state.JID, addressing: state.Addressing, creator: at(state.Creator), created: state.Created,
		subject:     wording{text: state.Subject, by: by(state.SubjectBy), at: state.SubjectAt},
		description: wording{text: state.Description, id: state.DescriptionID, by: by(state.DescriptionBy), at: state.DescriptionAt},
		announce:    state.Announce, locked: state.Locked, approval: state.Approval, adminAdds: state.AdminAdds,
		expiration: state.Expiration, invite: state.Invite, version: state.Version,
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
	g.picture = k.restorePicture(state.Picture)
	k.groups.last = max(k.groups.last, state.Number)
	k.groups.byJID[g.jid] = g
	if g.invite != "" {
		k.groups.byLink[g.invite] = g
	}
	return nil
}
