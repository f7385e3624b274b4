package phones

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/stanza"
)

// InviteLink is the beginning of an invite link. The code follows.
const InviteLink = "https://chat.whatsapp.com/"

// NewGroup describes a group to create.
type NewGroup struct {
	Subject string
	// Members are numbers or JIDs. The phone itself is always a member.
	Members []string
	// Addressing is groups.AddressingLID by default, as in new groups. Older groups have groups.AddressingPN.
	Addressing string
	// Community makes the group the announcements of a community.
	Community bool
}

// memberships is what a phone does in groups.
type memberships struct {
	*handset

	availability *availability
}

// CreateGroup creates a group with the phone as its creator.
func (p *memberships) CreateGroup(ctx context.Context, wish NewGroup) (types.JID, error) {
	if err := ctx.Err(); err != nil {
		return types.EmptyJID, err
	}
	if wish.Addressing == "" {
		wish.Addressing = groups.AddressingLID
	}
	if wish.Addressing != groups.AddressingLID && wish.Addressing != groups.AddressingPN {
		return types.EmptyJID, fmt.Errorf("%w: got %q", groups.ErrBadAddressing, wish.Addressing)
	}
	members, err := p.Net.Dir.Contacts(wish.Members)
	if err != nil {
		return types.EmptyJID, err
	}
	g, err := p.Net.Groups.Create(p.Account, groups.Wish{Subject: wish.Subject, Addressing: wish.Addressing, Members: members, Community: wish.Community})
	if err != nil {
		return types.EmptyJID, err
	}
	return g.JID, nil
}

// SendGroupText sends a text to a group.
func (p *sender) SendGroupText(ctx context.Context, group types.JID, text string) (string, error) {
	return p.SendMessage(ctx, Outgoing{To: group.String(), Kind: KindText, Text: text})
}

// Groups lists the groups of the phone, oldest first.
func (p *memberships) Groups() []groups.Info {
	var infos []groups.Info
	for _, g := range p.Net.Groups.Of(p.Account) {
		infos = append(infos, g.Info())
	}
	return infos
}

// MemberChange is a change of a group's members.
type MemberChange string

// The changes.
const (
	AddMembers     MemberChange = groups.MemberAdd
	RemoveMembers  MemberChange = groups.MemberRemove
	PromoteMembers MemberChange = groups.MemberPromote
	DemoteMembers  MemberChange = groups.MemberDemote
)

// ErrBadMemberChange means that a MemberChange is unknown.
var ErrBadMemberChange = errors.New("unknown change: expected add, remove, promote or demote")

// ChangeMembers adds, removes, promotes or demotes members, as the phone's owner. A failure for one member does not
// stop the change for the others. The errors are joined.
func (p *memberships) ChangeMembers(ctx context.Context, group types.JID, change MemberChange, members ...string) error {
	g, err := p.group(ctx, group)
	if err != nil {
		return err
	}
	if !slices.Contains([]MemberChange{AddMembers, RemoveMembers, PromoteMembers, DemoteMembers}, change) {
		return fmt.Errorf("%w: got %q", ErrBadMemberChange, change)
	}
	list, err := p.Net.Dir.Contacts(members)
	if err != nil {
		return err
	}
	results, err := p.Net.Groups.ChangeMembers(g, p.Account, string(change), list)
	if err != nil {
		return err
	}
	var failed []error
	for a, err := range results {
		// Adding somebody who is a member already is not a failure.
		if err != nil && !errors.Is(err, groups.ErrAlreadyMember) {
			failed = append(failed, fmt.Errorf("%s: %w", a.Number, err))
		}
	}
	return errors.Join(failed...)
}

// group finds a group. It fails with ErrOffline while the phone is off.
func (p *memberships) group(ctx context.Context, jid types.JID) (*groups.Group, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !p.availability.Online() {
		return nil, ErrOffline
	}
	if g := p.Net.Groups.Find(jid); g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("%w: %s", groups.ErrUnknown, jid)
}

// GroupChange is a change of a group's settings. A nil field stays as it is.
type GroupChange struct {
	Subject, Description                  *string
	Announce, Locked, Approval, AdminAdds *bool
	// Expiration is in seconds: 0, 86400, 604800 or 7776000.
	Expiration *uint32
}

// ChangeGroup changes settings of a group, as the phone's owner. It checks all settings before it changes any, so that a
// change that is refused changes nothing.
func (p *memberships) ChangeGroup(ctx context.Context, jid types.JID, change GroupChange) error {
	g, err := p.group(ctx, jid)
	if err != nil {
		return err
	}
	if err = p.checkGroupChange(g, change); err != nil {
		return err
	}
	s := p.Net
	onOff := func(on *bool, yes, no string) func() error {
		return func() error {
			if on == nil {
				return nil
			}
			if *on {
				return s.Groups.SetSwitch(g, p.Account, yes)
			}
			return s.Groups.SetSwitch(g, p.Account, no)
		}
	}
	for _, step := range []func() error{
		func() error {
			return given(change.Subject, func(text string) error { return s.Groups.SetSubject(g, p.Account, text) })
		},
		func() error {
			return given(change.Description, func(text string) error {
				return s.Groups.SetDescription(g, p.Account, s.Groups.DescriptionOf(g), stanza.NewID(), text)
			})
		},
		onOff(change.Announce, "announcement", "not_announcement"),
		onOff(change.Locked, "locked", "unlocked"),
		func() error {
			return given(change.Approval, func(on bool) error { return s.Groups.SetApproval(g, p.Account, on) })
		},
		func() error {
			return given(change.AdminAdds, func(on bool) error { return s.Groups.SetAdminAdds(g, p.Account, on) })
		},
		func() error {
			return given(change.Expiration, func(n uint32) error { return s.Groups.SetExpiration(g, p.Account, n) })
		},
	} {
		if err = step(); err != nil {
			return err
		}
	}
	return nil
}

func (p *memberships) checkGroupChange(g *groups.Group, change GroupChange) error {
	for _, err := range []error{
		given(change.Subject, groups.CheckSubject),
		given(change.Description, groups.CheckDescription),
		given(change.Expiration, groups.CheckExpiration),
	} {
		if err != nil {
			return err
		}
	}
	switches := change.Announce != nil || change.Locked != nil || change.Approval != nil || change.AdminAdds != nil
	return p.Net.Groups.MayChange(g, p.Account, switches)
}

func given[T any](value *T, do func(T) error) error {
	if value == nil {
		return nil
	}
	return do(*value)
}

// LeaveGroup removes the phone's account from a group.
func (p *memberships) LeaveGroup(ctx context.Context, jid types.JID) error {
	g, err := p.group(ctx, jid)
	if err != nil {
		return err
	}
	return p.Net.Groups.Leave(g, p.Account)
}

// GroupLink returns the invite link of a group. With revoke it makes a new link and revokes the old one.
func (p *memberships) GroupLink(ctx context.Context, jid types.JID, revoke bool) (string, error) {
	g, err := p.group(ctx, jid)
	if err != nil {
		return "", err
	}
	code, err := p.Net.Groups.Invite(g, p.Account, revoke)
	if err != nil {
		return "", err
	}
	return InviteLink + code, nil
}

// JoinGroup joins the group of an invite link. waiting says that an admin has to approve first.
func (p *memberships) JoinGroup(ctx context.Context, link string) (jid types.JID, waiting bool, err error) {
	if err = ctx.Err(); err != nil {
		return types.EmptyJID, false, err
	}
	g, err := p.Net.Groups.Linked(strings.TrimPrefix(link, InviteLink))
	if err != nil {
		return types.EmptyJID, false, err
	}
	waiting, err = p.Net.Groups.Join(g, p.Account)
	if err != nil && !errors.Is(err, groups.ErrAlreadyMember) {
		return types.EmptyJID, false, err
	}
	return g.JID, waiting, nil
}

// DecideRequests approves or rejects the join requests of accounts.
func (p *memberships) DecideRequests(ctx context.Context, jid types.JID, approve bool, members ...string) error {
	g, err := p.group(ctx, jid)
	if err != nil {
		return err
	}
	list, err := p.Net.Dir.Contacts(members)
	if err != nil {
		return err
	}
	results, err := p.Net.Groups.Decide(g, p.Account, approve, list)
	for _, failed := range results {
		err = errors.Join(err, failed)
	}
	return err
}
