package phones

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

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/appstate"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phonesync"
	"wasup/internal/sandbox/syncd"
)

// The kinds of app state entries that phones make (whatsmeow appstate/keys.go lists them all), and the versions with
// which clients make them.
const (
	indexPushName = "setting_pushName"
	indexContact  = "contact"
	indexMute     = "mute"
	indexPin      = "pin_v1"
	indexArchive  = "archive"
	indexRead     = "markChatAsRead"
	indexStar     = "star"
	// indexUnarchive is the last entry of a phone's first app state.
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
	ErrBadMute   = errors.New("invalid mute time: expected 0 (for ever) to 10 years")
	ErrBadName   = errors.New("invalid name: expected 1 to 100 bytes")
	ErrNoChange  = errors.New("nothing to change")
	ErrNoContact = errors.New("the phone has no such contact")
)

const maxMute = 10 * 366 * 24 * time.Hour

// ChatChange is a change of a chat. A nil field stays as it is.
type ChatChange struct {
	Pinned, Archived, Muted *bool
	// MuteFor is how long the chat is muted. 0 means for ever.
	MuteFor time.Duration
	// Read marks a chat as read, or as unread. It sends no receipts: MarkRead does.
	Read *bool
}

// ChatInfo describes a chat of a phone.
type ChatInfo struct {
	// JID is the phone number's address, or the group's.
	JID types.JID
	// Name is the contact's name in the address book or the group's subject, "" if there is none.
	Name             string
	Pinned, Archived bool
	Muted            bool
	// MutedUntil is the zero time if the chat is muted for ever.
	MutedUntil time.Time
	// MarkedUnread says that the chat was marked as unread by hand.
	MarkedUnread bool
	// Expiration is after how many seconds new messages disappear. 0 means never.
	Expiration uint32
	// Messages and Unread count messages. Last is the time of the newest one.
	Messages, Unread int
	Last             time.Time
}

// phoneChats are a phone's chats and address book.
type phoneChats struct {
	*handset

	availability *availability
	journal      *journal
	sync         *phonesync.Sync
}

// ChangeChat pins, mutes or archives a chat or marks it as read, as the phone's owner. Linked devices are told. name is
// a number, a JID or the JID of a group. It fails with accounts.ErrUnknownContact, ErrOffline, ErrBadMute or
// ErrNoChange.
func (p *phoneChats) ChangeChat(ctx context.Context, name string, change ChatChange) error {
	in, err := p.changeable(ctx, name)
	if err != nil {
		return err
	}
	if change.MuteFor < 0 || change.MuteFor > maxMute {
		return fmt.Errorf("%w: got %s", ErrBadMute, change.MuteFor)
	}
	var low, high []syncd.Mutation
	jid := in.Hidden().String()
	if change.Archived != nil {
		low = append(low, syncd.Mutation{Index: []string{indexArchive, jid}, Version: versionArchive, Value: &waSyncAction.SyncActionValue{
			ArchiveChatAction: &waSyncAction.ArchiveChatAction{Archived: change.Archived, MessageRange: p.journal.messageRange(in)},
		}})
		if *change.Archived && change.Pinned == nil {
			// An archived chat is not pinned any more.
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
			MarkChatAsReadAction: &waSyncAction.MarkChatAsReadAction{Read: change.Read, MessageRange: p.journal.messageRange(in)},
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
		err = p.sync.Change(appstate.Low, low...)
	}
	if err == nil && high != nil {
		err = p.sync.Change(appstate.High, high...)
	}
	return err
}

// changeable returns the chat that a name means. It fails with ErrOffline while the phone is off.
func (p *phoneChats) changeable(ctx context.Context, name string) (groups.Chat, error) {
	if err := ctx.Err(); err != nil {
		return groups.Chat{}, err
	}
	if !p.availability.Online() {
		return groups.Chat{}, ErrOffline
	}
	return p.Net.Groups.Chat(name)
}

// NameContact sets an account's name in the phone's address book. An empty name removes the entry. Linked devices are
// told.
func (p *phoneChats) NameContact(ctx context.Context, number, name string) error {
	in, err := p.changeable(ctx, number)
	if err != nil {
		return err
	}
	if in.Account == nil {
		return fmt.Errorf("%w: %s", accounts.ErrUnknownContact, number)
	}
	if len(name) > MaxName {
		return ErrNameTooLong
	}
	mutation := contactOf(in.Account, name)
	if name == "" {
		if !p.sync.Has(appstate.Contacts, mutation.Index...) {
			return fmt.Errorf("%w: %s", ErrNoContact, number)
		}
		mutation.Remove = true
	}
	return p.sync.Change(appstate.Contacts, mutation)
}

func contactOf(a *accounts.Account, name string) syncd.Mutation {
	first, _, _ := strings.Cut(name, " ")
	return syncd.Mutation{Index: []string{indexContact, a.JID(0).String()}, Version: versionContact, Value: &waSyncAction.SyncActionValue{
		ContactAction: &waSyncAction.ContactAction{
			FullName: &name, FirstName: &first, LidJID: proto.String(a.LIDJID(0).String()), SaveOnPrimaryAddressbook: proto.Bool(true),
		},
	}}
}

// Rename changes the name of the phone's account. Linked devices are told; others see it with the next message.
func (p *phoneChats) Rename(ctx context.Context, name string) error {
	if _, err := p.changeable(ctx, p.Account.Number); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	return p.sync.Change(appstate.Critical, pushNameOf(name))
}

func pushNameOf(name string) syncd.Mutation {
	return syncd.Mutation{Index: []string{indexPushName}, Version: versionPushName, Value: &waSyncAction.SyncActionValue{
		PushNameSetting: &waSyncAction.PushNameSetting{Name: &name},
	}}
}

// StarMessage adds a star to a message or removes it. Linked devices are told.
func (p *phoneChats) StarMessage(ctx context.Context, id string, on bool) error {
	if _, err := p.changeable(ctx, p.Account.Number); err != nil {
		return err
	}
	found, ok := p.journal.findID(id)
	if !ok {
		return fmt.Errorf("%w: %s", ErrUnknownMessage, id)
	}
	// The sender is named only for messages of others in groups. Otherwise the field is "0".
	fromMe, sender := "0", "0"
	switch {
	case found.author == p.Account:
		fromMe = "1"
	case found.chat.Shared != nil:
		sender = found.author.JIDOn(found.chat.Server(), 0).String()
	}
	return p.sync.Change(appstate.High, syncd.Mutation{
		Index: []string{indexStar, found.chat.Hidden().String(), id, fromMe, sender}, Version: versionStar,
		Value: &waSyncAction.SyncActionValue{StarAction: &waSyncAction.StarAction{Starred: &on}},
	})
}

// beginSync creates the first app state of an account: its name, and as contacts the account itself and everybody with
// whom it has a chat.
func (p *phoneChats) beginSync() error {
	if p.sync.Has(appstate.Low, indexUnarchive) {
		return nil
	}
	if !p.sync.Has(appstate.Critical, indexPushName) {
		if err := p.sync.Change(appstate.Critical, pushNameOf(p.Name())); err != nil {
			return err
		}
	}
	contacts := []syncd.Mutation{contactOf(p.Account, p.Name())}
	for _, other := range p.journal.Partners() {
		if !p.sync.Has(appstate.Contacts, contactOf(other, "").Index...) && other != p.Account && len(contacts) < appstate.MaxMutations {
			contacts = append(contacts, contactOf(other, other.Phone.Name()))
		}
	}
	if err := p.sync.Change(appstate.Contacts, contacts...); err != nil {
		return err
	}
	// Every collection gets a first entry here, because a client emits no events for the first sync of a collection.
	for _, first := range []struct {
		collection, index string
		version           int32
		value             *waSyncAction.SyncActionValue
	}{
		{appstate.High, "favorites", 1, &waSyncAction.SyncActionValue{FavoritesAction: &waSyncAction.FavoritesAction{}}},
		{appstate.Regular, "primary_feature", 7, &waSyncAction.SyncActionValue{PrimaryFeature: &waSyncAction.PrimaryFeature{}}},
		{appstate.Low, indexUnarchive, 4, &waSyncAction.SyncActionValue{
			UnarchiveChatsSetting: &waSyncAction.UnarchiveChatsSetting{UnarchiveChats: proto.Bool(false)},
		}},
	} {
		if err := p.sync.Change(first.collection, syncd.Mutation{Index: []string{first.index}, Version: first.version, Value: first.value}); err != nil {
			return err
		}
	}
	return nil
}

// Chats lists the phone's chats, the newest first.
func (p *phoneChats) Chats() []ChatInfo {
	infos := make(map[groups.Chat]*ChatInfo)
	get := func(in groups.Chat) *ChatInfo {
		if infos[in] == nil {
			infos[in] = &ChatInfo{JID: in.JID(), Expiration: p.timerOf(in).Seconds}
			if group := in.Group(); group != nil {
				infos[in].Name = group.Info().Subject
			}
		}
		return infos[in]
	}
	counted := slices.DeleteFunc(p.journal.Messages(), func(m Message) bool { return m.Target != "" })
	for i := range counted {
		info := get(counted[i].chat)
		info.Messages++
		info.Last = counted[i].Time
		if counted[i].Status == StatusReceived {
			info.Unread++
		}
	}
	for _, entry := range p.sync.Entries() {
		if len(entry.Index) < 2 {
			continue
		}
		if in, err := p.Net.Groups.Chat(entry.Index[1]); err == nil {
			describeChat(&entry, in, get)
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

// describeChat sets the fields of a chat that an entry is about.
func describeChat(e *AppStateEntry, in groups.Chat, get func(groups.Chat) *ChatInfo) {
	switch e.Index[0] {
	case indexContact:
		get(in).Name = e.Action.GetContactAction().GetFullName()
	case indexPin:
		get(in).Pinned = e.Action.GetPinAction().GetPinned()
	case indexArchive:
		get(in).Archived = e.Action.GetArchiveChatAction().GetArchived()
	case indexRead:
		get(in).MarkedUnread = !e.Action.GetMarkChatAsReadAction().GetRead()
	case indexMute:
		action := e.Action.GetMuteAction()
		info := get(in)
		info.Muted, info.MutedUntil = action.GetMuted(), time.Time{}
		if action.GetMuted() && action.GetMuteEndTimestamp() > 0 {
			info.MutedUntil = time.UnixMilli(action.GetMuteEndTimestamp())
		}
	}
}
