package inbound

import (
	"slices"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
)

// receipt translates a receipt. Requests between devices (retries, history) give no event.
func (t *translation) receipt(e *events.Receipt) []eventlog.Event {
	var status string
	switch e.Type {
	case types.ReceiptTypeDelivered, types.ReceiptTypeInactive, types.ReceiptTypeSender:
		status = eventlog.ReceiptDelivered
	case types.ReceiptTypeRead, types.ReceiptTypeReadSelf:
		status = eventlog.ReceiptRead
	case types.ReceiptTypePlayed, types.ReceiptTypePlayedSelf:
		status = eventlog.ReceiptPlayed
	default:
		return nil
	}
	if len(e.MessageIDs) == 0 {
		return nil
	}
	chat, sender := t.receiptChat(&e.MessageSource), t.address(e.Sender, e.SenderAlt.ToNonAD())
	var list []eventlog.Event
	// Each event is one commit. A receipt about thousands of messages would take longer than a commit may.
	for ids := range slices.Chunk(e.MessageIDs, maxReceipts) {
		data := eventlog.ReceiptData{
			Chat: chat, Sender: sender, Device: int(e.Sender.Device), FromMe: e.IsFromMe, Status: status, At: Moment(e.Timestamp),
		}
		for _, id := range ids {
			data.IDs = append(data.IDs, idOf(id))
		}
		event := t.event(eventlog.TypeReceipt, digest(e.Chat, e.Sender, status, ids), data, nil)
		event.Receipt = &data
		list = append(list, event)
	}
	return list
}

// The values of eventlog.CallData.State.
const (
	callRinging  = "ringing"
	callAccepted = "accepted"
	callRejected = "rejected"
	callEnded    = "ended"
)

// terminated translates the end of ringing. If another device of the account has accepted or rejected the call,
// WhatsApp ends it for this device; the call itself may continue.
func (t *translation) terminated(e *events.CallTerminate) []eventlog.Event {
	switch e.Reason {
	case "accepted_elsewhere":
		return t.call(&e.BasicCallMeta, callAccepted, "", nil)
	case "rejected_elsewhere":
		return t.call(&e.BasicCallMeta, callRejected, "", nil)
	default:
		return t.call(&e.BasicCallMeta, callEnded, e.Reason, nil)
	}
}

// call translates a state of a call. video is nil where the stanza does not say it: only the offer always does.
func (t *translation) call(meta *types.BasicCallMeta, state, reason string, video *bool) []eventlog.Event {
	if t.terse {
		reason = ""
	}
	data := eventlog.CallData{
		ID: idOf(meta.CallID), From: t.address(meta.CallCreator, meta.CallCreatorAlt), State: state, Video: video,
		Group: t.address(meta.GroupJID), Reason: reason, At: Moment(meta.Timestamp),
	}
	return []eventlog.Event{t.event(eventlog.TypeCall, digest(meta.CallCreator, meta.CallID, state), data, nil)}
}

// videoOf returns whether a call has video, by the media that its stanza offers, or nil if it offers none.
func videoOf(data *waBinary.Node) *bool {
	if data == nil {
		return nil
	}
	_, video := data.GetOptionalChildByTag("video")
	_, audio := data.GetOptionalChildByTag("audio")
	if !video && !audio {
		return nil
	}
	return &video
}

// change is one change to a group.
type change struct {
	name    string
	members []types.JID
	value   string
}

func (t *translation) joined(e *events.JoinedGroup) []eventlog.Event {
	by := t.optionalAddress(e.Sender, e.SenderPN)
	pn, lid := t.c.Own()
	own := []types.JID{lid.ToNonAD()}
	if lid.IsEmpty() {
		own[0] = pn.ToNonAD()
	}
	at := e.GroupCreated
	if e.Type != "new" || at.IsZero() {
		at = time.Now()
	}
	// The key contains no current time, so a repeated notification is dropped. Being added again later is another event,
	// because its version or creation values differ.
	key := digest(e.JID, "joined", e.ParticipantVersionID, e.GroupCreated.Unix(), e.CreateKey)
	return []eventlog.Event{t.event(eventlog.TypeGroup, key, eventlog.GroupData{
		Group: t.address(e.JID), By: by, Change: eventlog.GroupJoined, Members: t.addresses(own), Value: e.Name, At: Moment(at),
	}, nil)}
}

func (t *translation) optionalAddress(jid, other *types.JID) message.Address {
	switch {
	case jid == nil:
		return message.Address{}
	case other == nil:
		return t.address(*jid)
	default:
		return t.address(*jid, *other)
	}
}

// group translates each change of a notification.
func (t *translation) group(e *events.GroupInfo) []eventlog.Event {
	group, by := t.address(e.JID), t.optionalAddress(e.Sender, e.SenderPN)
	var list []eventlog.Event
	for _, c := range changesOf(e) {
		key := digest(e.JID, c.name, e.Timestamp.Unix(), c.members, c.value, e.ParticipantVersionID)
		t.cut = false
		if t.terse {
			c.members, c.value = nil, ""
		}
		members := t.addresses(atMost(t, c.members, message.MaxMentions))
		list = append(list, t.event(eventlog.TypeGroup, key, eventlog.GroupData{
			Group: group, By: by, Change: c.name, Members: members, Value: c.value, At: Moment(e.Timestamp), Truncated: t.cut,
		}, nil))
	}
	return list
}

func changesOf(e *events.GroupInfo) []change {
	var list []change
	add := func(is bool, name string, members []types.JID, value string) {
		if is {
			list = append(list, change{name, members, value})
		}
	}
	// Somebody who leaves on their own is named as the sender of the change.
	alone := e.Sender == nil || len(e.Leave) == 1 && (e.Leave[0].User == e.Sender.User || e.SenderPN != nil && e.Leave[0].User == e.SenderPN.User)
	add(len(e.Join) > 0 && e.JoinReason == "invite", eventlog.GroupJoined, e.Join, "")
	add(len(e.Join) > 0 && e.JoinReason != "invite", eventlog.GroupAdded, e.Join, "")
	add(len(e.Leave) > 0 && alone, eventlog.GroupLeft, e.Leave, "")
	add(len(e.Leave) > 0 && !alone, eventlog.GroupRemoved, e.Leave, "")
	add(len(e.Promote) > 0, eventlog.GroupPromoted, e.Promote, "")
	add(len(e.Demote) > 0, eventlog.GroupDemoted, e.Demote, "")
	if e.Name != nil {
		add(true, eventlog.GroupName, nil, e.Name.Name)
	}
	if e.Topic != nil {
		add(true, eventlog.GroupDescription, nil, e.Topic.Topic)
	}
	if e.NewInviteLink != nil {
		add(true, eventlog.GroupInvite, nil, *e.NewInviteLink)
	}
	other := e.Locked != nil || e.Announce != nil || e.Ephemeral != nil || e.MembershipApprovalMode != nil || e.Delete != nil ||
		e.Link != nil || e.Unlink != nil || e.Suspended || e.Unsuspended || len(e.UnknownChanges) > 0
	add(other, eventlog.GroupSettings, nil, settingOf(e))
	return list
}

// settingOf returns the new value of a setting.
func settingOf(e *events.GroupInfo) string {
	choose := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	switch {
	case e.Locked != nil:
		return choose(e.Locked.IsLocked, "locked", "unlocked")
	case e.Announce != nil:
		return choose(e.Announce.IsAnnounce, "announcement", "not_announcement")
	case e.Ephemeral != nil:
		return choose(e.Ephemeral.IsEphemeral, "ephemeral", "not_ephemeral")
	case e.MembershipApprovalMode != nil:
		return choose(e.MembershipApprovalMode.IsJoinApprovalRequired, "approval", "no_approval")
	case e.Delete != nil:
		return "deleted"
	case e.Link != nil:
		return "linked"
	case e.Unlink != nil:
		return "unlinked"
	case e.Suspended || e.Unsuspended:
		return choose(e.Suspended, "suspended", "unsuspended")
	case len(e.UnknownChanges) > 0:
		return e.UnknownChanges[0].Tag
	}
	return ""
}

// picture translates a group's new picture. Pictures of people give no event.
func (t *translation) picture(e *events.Picture) []eventlog.Event {
	if e.JID.Server != types.GroupServer {
		return nil
	}
	value := e.PictureID
	if e.Remove {
		value = ""
	}
	return []eventlog.Event{t.event(eventlog.TypeGroup, digest(e.JID, "picture", e.Timestamp.Unix(), value), eventlog.GroupData{
		Group: t.address(e.JID), By: t.address(e.Author), Change: eventlog.GroupPicture, Value: value, At: Moment(e.Timestamp),
	}, nil)}
}
