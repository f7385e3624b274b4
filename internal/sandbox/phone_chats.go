package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/syncd"
)

// The entries of app state that phones make (whatsmeow appstate/keys.go lists them all). The versions are those that
// clients make them with.
const (
	indexPushName = "setting_pushName"
	indexContact  = "contact"
	indexMute     = "mute"
	indexPin      = "pin_v1"
	indexArchive  = "archive"
	indexRead     = "markChatAsRead"
	indexStar     = "star"
	// indexUnarchive is the last that a phone begins with.
	indexUnarchive = "setting_unarchiveChats"

	versionPushName = 1
	versionContact  = 2
	versionMute     = 2
	versionPin      = 5
	versionArchive  = 3
	versionRead     = 3
	versionStar     = 2
)

// Errors of chats.
var (
	ErrBadMute   = errors.New("not a time to be muted: expected 0 (for ever) to 10 years")
	ErrBadName   = errors.New("not a name: expected 1 to 100 bytes")
	ErrNoChange  = errors.New("nothing to change")
	ErrNoContact = errors.New("the phone has no such contact")
)

const maxMute = 10 * 366 * 24 * time.Hour

// ChatChange is what is to be different about a chat; nil leaves it as it is.
type ChatChange struct {
	Pinned, Archived, Muted *bool
	// MuteFor is for how long a chat is muted, 0 meaning for ever.
	MuteFor time.Duration
	// Read marks a chat as read, or as unread. It sends no receipts: MarkRead does.
	Read *bool
}

// ChatInfo is what a phone knows of a chat.
type ChatInfo struct {
	// JID is the address by number, or that of a group.
	JID types.JID
	// Name is what the person calls the contact, or the subject of the group; empty when there is none.
	Name             string
	Pinned, Archived bool
	Muted            bool
	// MutedUntil is the zero time when the chat is muted for ever.
	MutedUntil time.Time
	// MarkedUnread says that somebody marked the chat as unread.
	MarkedUnread bool
	// Messages and Unread count messages, Last is when the newest one came.
	Messages, Unread int
	Last             time.Time
}

// ChangeChat pins, mutes, archives a chat or marks it as read, as the phone's person; linked devices are told. name is
// a number, a JID or the JID of a group. Errors are ErrUnknownContact, ErrPhoneOffline, ErrBadMute, ErrNoChange.
func (p *Phone) ChangeChat(ctx context.Context, name string, change ChatChange) error {
	in, err := p.changeable(ctx, name)
	if err != nil {
		return err
	}
	if change.MuteFor < 0 || change.MuteFor > maxMute {
		return fmt.Errorf("%w: got %s", ErrBadMute, change.MuteFor)
	}
	var low, high []syncd.Mutation
	jid := in.hidden().String()
	if change.Archived != nil {
		low = append(low, syncd.Mutation{Index: []string{indexArchive, jid}, Version: versionArchive, Value: &waSyncAction.SyncActionValue{
			ArchiveChatAction: &waSyncAction.ArchiveChatAction{Archived: change.Archived, MessageRange: p.messageRange(in)},
		}})
		if *change.Archived && change.Pinned == nil {
			// What is put away is not on top any more.
			change.Pinned = new(bool)
		}
	}
	if change.Pinned != nil {
		low = append(low, syncd.Mutation{Index: []string{indexPin, jid}, Version: versionPin, Value: &waSyncAction.SyncActionValue{
			PinAction: &waSyncAction.PinAction{Pinned: change.Pinned},
		}})
	}
	if change.Read != nil {
		low = append(low, syncd.Mutation{Index: []string{indexRead, jid}, Version: versionRead, Value: &waSyncAction.SyncActionValue{
			MarkChatAsReadAction: &waSyncAction.MarkChatAsReadAction{Read: change.Read, MessageRange: p.messageRange(in)},
		}})
	}
	if change.Muted != nil {
		action := &waSyncAction.MuteAction{Muted: change.Muted}
		if *change.Muted {
			action.MuteEndTimestamp = proto.Int64(-1)
			if change.MuteFor > 0 {
				action.MuteEndTimestamp = proto.Int64(time.Now().Add(change.MuteFor).UnixMilli())
			}
		}
		high = append(high, syncd.Mutation{Index: []string{indexMute, jid}, Version: versionMute, Value: &waSyncAction.SyncActionValue{MuteAction: action}})
	}
	if low == nil && high == nil {
		return ErrNoChange
	}
	if low != nil {
		err = p.change(syncLow, low...)
	}
	if err == nil && high != nil {
		err = p.change(syncHigh, high...)
	}
	return err
}

// changeable finds a chat for somebody who has the phone in hand.
func (p *Phone) changeable(ctx context.Context, name string) (chat, error) {
	if err := ctx.Err(); err != nil {
		return chat{}, err
	}
	if !p.Online() {
		return chat{}, ErrPhoneOffline
	}
	return p.srv.chat(name)
}

// messageRange says up to which message an action is meant.
func (p *Phone) messageRange(in chat) *waSyncAction.SyncActionMessageRange {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range slices.Backward(p.messages) {
		if message.chat == in && message.author != nil {
			at := proto.Int64(message.Time.Unix())
			return &waSyncAction.SyncActionMessageRange{
				LastMessageTimestamp: at, Messages: []*waSyncAction.SyncActionMessage{{Key: p.keyFor(message), Timestamp: at}},
			}
		}
	}
	return &waSyncAction.SyncActionMessageRange{LastMessageTimestamp: proto.Int64(time.Now().Unix())}
}

// NameContact enters somebody in the phone's address book, or changes how they are called; linked devices are told. An
// empty name removes the entry.
func (p *Phone) NameContact(ctx context.Context, number, name string) error {
	in, err := p.changeable(ctx, number)
	if err != nil {
		return err
	}
	if in.account == nil {
		return fmt.Errorf("%w: %s", ErrUnknownContact, number)
	}
	if len(name) > maxName {
		return ErrNameTooLong
	}
	mutation := contactOf(in.account, name)
	if name == "" {
		p.sync.mu.Lock()
		_, known := p.sync.entries[entryName(syncContacts, mutation.Index)]
		p.sync.mu.Unlock()
		if !known {
			return fmt.Errorf("%w: %s", ErrNoContact, number)
		}
		mutation.Remove = true
	}
	return p.change(syncContacts, mutation)
}

func contactOf(a *account, name string) syncd.Mutation {
	first, _, _ := strings.Cut(name, " ")
	return syncd.Mutation{Index: []string{indexContact, a.jid(0).String()}, Version: versionContact, Value: &waSyncAction.SyncActionValue{
		ContactAction: &waSyncAction.ContactAction{
			FullName: &name, FirstName: &first, LidJID: proto.String(a.lidJID(0).String()), SaveOnPrimaryAddressbook: proto.Bool(true),
		},
	}}
}

// Rename changes what the phone's account goes by; linked devices are told, others see it with the next message.
func (p *Phone) Rename(ctx context.Context, name string) error {
	if _, err := p.changeable(ctx, p.account.number); err != nil {
		return err
	}
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%w: got %d bytes", ErrBadName, len(name))
	}
	return p.change(syncCritical, pushNameOf(name))
}

func pushNameOf(name string) syncd.Mutation {
	return syncd.Mutation{Index: []string{indexPushName}, Version: versionPushName, Value: &waSyncAction.SyncActionValue{
		PushNameSetting: &waSyncAction.PushNameSetting{Name: &name},
	}}
}

// StarMessage puts a star on a message, or takes it off; linked devices are told.
func (p *Phone) StarMessage(ctx context.Context, id string, on bool) error {
	if _, err := p.changeable(ctx, p.account.number); err != nil {
		return err
	}
	p.mu.Lock()
	i := slices.IndexFunc(p.messages, func(m *Message) bool { return m.ID == id && m.author != nil })
	var found Message
	if i >= 0 {
		found = *p.messages[i]
	}
	p.mu.Unlock()
	if i < 0 {
		return fmt.Errorf("%w: %s", ErrUnknownMessage, id)
	}
	// The sender is named in groups only, as "0" elsewhere and for one's own.
	fromMe, sender := "0", "0"
	switch {
	case found.author == p.account:
		fromMe = "1"
	case found.chat.group != nil:
		sender = found.author.jidOn(found.chat.group.server(), 0).String()
	}
	return p.change(syncHigh, syncd.Mutation{
		Index: []string{indexStar, found.chat.hidden().String(), id, fromMe, sender}, Version: versionStar,
		Value: &waSyncAction.SyncActionValue{StarAction: &waSyncAction.StarAction{Starred: &on}},
	})
}

// beginSync makes the first app state of an account: its name, and as contacts itself and everybody with whom there is
// a chat.
func (p *Phone) beginSync() error {
	p.sync.mu.Lock()
	_, named := p.sync.entries[entryName(syncCritical, []string{indexPushName})]
	_, begun := p.sync.entries[entryName(syncLow, []string{indexUnarchive})]
	p.sync.mu.Unlock()
	if begun {
		return nil
	}
	if !named {
		if err := p.change(syncCritical, pushNameOf(p.Name())); err != nil {
			return err
		}
	}
	contacts := []syncd.Mutation{contactOf(p.account, p.Name())}
	for _, other := range p.partners() {
		p.sync.mu.Lock()
		_, named := p.sync.entries[entryName(syncContacts, contactOf(other, "").Index)]
		p.sync.mu.Unlock()
		if !named && other != p.account && len(contacts) < maxMutations {
			contacts = append(contacts, contactOf(other, other.phone.Name()))
		}
	}
	if err := p.change(syncContacts, contacts...); err != nil {
		return err
	}
	// Every collection has something from the beginning: a client tells nobody what comes first in a collection.
	for _, first := range []struct {
		collection, index string
		version           int32
		value             *waSyncAction.SyncActionValue
	}{
		{syncHigh, "favorites", 1, &waSyncAction.SyncActionValue{FavoritesAction: &waSyncAction.FavoritesAction{}}},
		{syncRegular, "primary_feature", 7, &waSyncAction.SyncActionValue{PrimaryFeature: &waSyncAction.PrimaryFeature{}}},
		{syncLow, indexUnarchive, 4, &waSyncAction.SyncActionValue{
			UnarchiveChatsSetting: &waSyncAction.UnarchiveChatsSetting{UnarchiveChats: proto.Bool(false)},
		}},
	} {
		if err := p.change(first.collection, syncd.Mutation{Index: []string{first.index}, Version: first.version, Value: first.value}); err != nil {
			return err
		}
	}
	return nil
}

// partners lists the accounts with whom the phone has a chat, in the order of their first message.
func (p *Phone) partners() []*account {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*account
	seen := make(map[*account]bool)
	for _, message := range p.messages {
		if other := message.chat.account; other != nil && !seen[other] {
			seen[other] = true
			all = append(all, other)
		}
	}
	return all
}

// Chats lists the phone's chats, the newest first.
func (p *Phone) Chats() []ChatInfo {
	infos := make(map[chat]*ChatInfo)
	get := func(in chat) *ChatInfo {
		if infos[in] == nil {
			infos[in] = &ChatInfo{JID: in.jid()}
			if in.group != nil {
				infos[in].Name = in.group.info().Subject
			}
		}
		return infos[in]
	}
	p.mu.Lock()
	counted := make([]Message, 0, len(p.messages))
	for _, message := range p.messages {
		if message.Target == "" {
			counted = append(counted, *message)
		}
	}
	p.mu.Unlock()
	for i := range counted {
		info := get(counted[i].chat)
		info.Messages++
		info.Last = counted[i].Time
		if counted[i].Status == StatusReceived {
			info.Unread++
		}
	}
	for _, entry := range p.AppState() {
		if len(entry.Index) < 2 {
			continue
		}
		if in, err := p.srv.chat(entry.Index[1]); err == nil {
			entry.describe(in, get)
		}
	}
	all := make([]ChatInfo, 0, len(infos))
	for _, info := range infos {
		all = append(all, *info)
	}
	slices.SortFunc(all, func(a, b ChatInfo) int {
		if !a.Last.Equal(b.Last) {
			return b.Last.Compare(a.Last)
		}
		return strings.Compare(a.JID.String(), b.JID.String())
	})
	return all
}

// describe enters what an entry says of a chat.
func (e *AppStateEntry) describe(in chat, get func(chat) *ChatInfo) {
	switch e.Index[0] {
	case indexContact:
		get(in).Name = e.action.GetContactAction().GetFullName()
	case indexPin:
		get(in).Pinned = e.action.GetPinAction().GetPinned()
	case indexArchive:
		get(in).Archived = e.action.GetArchiveChatAction().GetArchived()
	case indexRead:
		get(in).MarkedUnread = !e.action.GetMarkChatAsReadAction().GetRead()
	case indexMute:
		action := e.action.GetMuteAction()
		info := get(in)
		info.Muted, info.MutedUntil = action.GetMuted(), time.Time{}
		if action.GetMuted() && action.GetMuteEndTimestamp() > 0 {
			info.MutedUntil = time.UnixMilli(action.GetMuteEndTimestamp())
		}
	}
}
