package admin

import (
	"net/http"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

type newGroupRequest struct {
	Subject    string   `json:"subject" doc:"1 to 100 characters" need:"yes"`
	Members    []string `json:"members" doc:"numbers or JIDs"`
	Addressing string   `json:"addressing" doc:"how members are addressed: lid, or pn as in older groups; lid when empty"`
	Community  bool     `json:"community" doc:"whether the group is the announcements of a community: admins write, everybody reacts"`
}

// groupChange holds the settings to change. A nil field stays as it is.
type groupChange struct {
	Subject     *string `json:"subject" doc:"1 to 100 characters"`
	Description *string `json:"description" doc:"at most 2048 characters"`
	Announce    *bool   `json:"announce" doc:"whether only admins may send messages"`
	Locked      *bool   `json:"locked" doc:"whether only admins may change the settings"`
	Approval    *bool   `json:"approval" doc:"whether an admin must approve people who join by the link"`
	AdminAdds   *bool   `json:"admin_adds" doc:"whether only admins may add members"`
	Expiration  *uint32 `json:"expiration" doc:"seconds until messages disappear: 0, 86400, 604800 or 7776000"`
}

type memberRequest struct {
	Change  string   `json:"change" doc:"add, remove, promote or demote" need:"yes"`
	Members []string `json:"members" doc:"numbers or JIDs" need:"yes"`
}

type joinRequest struct {
	Link string `json:"link" doc:"the invite link" need:"yes"`
}

type decideRequest struct {
	Approve *bool    `json:"approve" doc:"whether the requests are approved" need:"yes"`
	Members []string `json:"members" doc:"numbers or JIDs" need:"yes"`
}

type groupBody struct {
	JID         string       `json:"jid" doc:"JID of the group"`
	Subject     string       `json:"subject" doc:"name of the group"`
	Description string       `json:"description" doc:"description of the group"`
	Creator     string       `json:"creator" doc:"JID of the creator"`
	Created     time.Time    `json:"created" doc:"when it was created"`
	Addressing  string       `json:"addressing" doc:"how members are addressed: lid or pn"`
	Announce    bool         `json:"announce" doc:"whether only admins may send messages"`
	Locked      bool         `json:"locked" doc:"whether only admins may change the settings"`
	Approval    bool         `json:"approval" doc:"whether an admin must approve people who join by the link"`
	AdminAdds   bool         `json:"admin_adds" doc:"whether only admins may add members"`
	Community   bool         `json:"community" doc:"whether the group is the announcements of a community"`
	Expiration  uint32       `json:"expiration" doc:"seconds until messages disappear, 0 for never"`
	Members     []memberBody `json:"members" doc:"all members"`
	Requests    []string     `json:"requests" doc:"JIDs that have requested to join"`
}

type memberBody struct {
	JID  string `json:"jid" doc:"address by phone number"`
	LID  string `json:"lid" doc:"address that hides the phone number"`
	Role string `json:"role" doc:"member, admin or superadmin"`
}

type groupsBody struct {
	Groups []groupBody `json:"groups" doc:"all groups"`
}

type linkBody struct {
	Link string `json:"link" doc:"the invite link"`
}

type joinedBody struct {
	JID     string `json:"jid" doc:"JID of the group"`
	Waiting bool   `json:"waiting" doc:"whether an admin must approve the request first"`
}

func groupJSON(g groups.Info) groupBody {
	body := groupBody{
		JID: g.JID.String(), Subject: g.Subject, Description: g.Description, Creator: g.Creator.String(), Created: g.Created,
		Addressing: g.Addressing, Announce: g.Announce, Locked: g.Locked, Approval: g.Approval, AdminAdds: g.AdminAdds, Community: g.Community,
		Expiration: g.Expiration, Members: []memberBody{}, Requests: append([]string{}, jidTexts(g.Requests)...),
	}
	for _, m := range g.Members {
		role := string(m.Role)
		if role == "" {
			role = "member"
		}
		body.Members = append(body.Members, memberBody{m.JID.String(), m.LID.String(), role})
	}
	return body
}

func groupsJSON(groups []groups.Info) groupsBody {
	body := groupsBody{Groups: []groupBody{}}
	for _, g := range groups {
		body.Groups = append(body.Groups, groupJSON(g))
	}
	return body
}

func (a groupAPI) listGroups(r *http.Request) (int, any, error) {
	return http.StatusOK, groupsJSON(a.server.Groups()), nil
}

func (a groupAPI) listPhoneGroups(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, groupsJSON(phone.Groups()), nil
}

func (a groupAPI) createGroup(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in newGroupRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	jid, err := phone.CreateGroup(r.Context(), phones.NewGroup{Subject: in.Subject, Members: in.Members, Addressing: in.Addressing, Community: in.Community})
	if err != nil {
		return 0, nil, translateAs(err, "to", "members")
	}
	return a.groupAnswer(http.StatusCreated, jid)
}

func (a groupAPI) groupAnswer(status int, jid types.JID) (int, any, error) {
	g, err := a.server.Group(jid)
	if err != nil {
		return 0, nil, translate(err)
	}
	return status, groupJSON(g), nil
}

// phoneGroup returns the phone and the JID of the group that the path names.
func (a groupAPI) phoneGroup(r *http.Request) (*sandbox.Phone, types.JID, error) {
	phone, err := a.phone(r)
	if err != nil {
		return nil, types.EmptyJID, err
	}
	jid, err := types.ParseJID(r.PathValue("jid"))
	if err != nil || jid.Server != types.GroupServer {
		return nil, types.EmptyJID, invalid("jid", "expected the JID of a group, such as 120363000000000001@g.us")
	}
	return phone, jid, nil
}

func (a groupAPI) changeGroup(r *http.Request) (int, any, error) {
	phone, jid, err := a.phoneGroup(r)
	if err != nil {
		return 0, nil, err
	}
	var in groupChange
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in == (groupChange{}) {
		return 0, nil, invalid("body", "expected at least one setting")
	}
	if err := phone.ChangeGroup(r.Context(), jid, phones.GroupChange(in)); err != nil {
		return 0, nil, translate(err)
	}
	return a.groupAnswer(http.StatusOK, jid)
}

func (a groupAPI) leaveGroup(r *http.Request) (int, any, error) {
	phone, jid, err := a.phoneGroup(r)
	if err != nil {
		return 0, nil, err
	}
	if err := phone.LeaveGroup(r.Context(), jid); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func (a groupAPI) changeMembers(r *http.Request) (int, any, error) {
	phone, jid, err := a.phoneGroup(r)
	if err != nil {
		return 0, nil, err
	}
	var in memberRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if len(in.Members) == 0 {
		return 0, nil, invalid("members", "expected at least one phone number or JID")
	}
	if err := phone.ChangeMembers(r.Context(), jid, phones.MemberChange(in.Change), in.Members...); err != nil {
		return 0, nil, translateAs(err, "to", "members")
	}
	return a.groupAnswer(http.StatusOK, jid)
}

func (a groupAPI) decideRequests(r *http.Request) (int, any, error) {
	phone, jid, err := a.phoneGroup(r)
	if err != nil {
		return 0, nil, err
	}
	var in decideRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in.Approve == nil {
		return 0, nil, invalid("approve", "expected true or false")
	}
	if len(in.Members) == 0 {
		return 0, nil, invalid("members", "expected at least one phone number or JID")
	}
	if err := phone.DecideRequests(r.Context(), jid, *in.Approve, in.Members...); err != nil {
		return 0, nil, translateAs(err, "to", "members")
	}
	return a.groupAnswer(http.StatusOK, jid)
}

func (a groupAPI) groupLink(r *http.Request) (int, any, error) { return a.inviteLink(r, false) }

func (a groupAPI) newGroupLink(r *http.Request) (int, any, error) { return a.inviteLink(r, true) }

func (a groupAPI) inviteLink(r *http.Request, revoke bool) (int, any, error) {
	phone, jid, err := a.phoneGroup(r)
	if err != nil {
		return 0, nil, err
	}
	link, err := phone.GroupLink(r.Context(), jid, revoke)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, linkBody{link}, nil
}

func (a groupAPI) joinGroup(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in joinRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	jid, waiting, err := phone.JoinGroup(r.Context(), in.Link)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, joinedBody{jid.String(), waiting}, nil
}
