package phones

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/mediacrypt"
	"wasup/internal/sandbox/observe"
)

const (
	// firstMessages is how many of the newest messages of each chat are sent first. historyChunk is how many messages a
	// later part has. recentMessages is how many messages besides the first a device gets that did not ask for all.
	firstMessages  = 10
	historyChunk   = 500
	recentMessages = 2000
	// inlineHistory is the size in bytes up to which a part is sent in the message itself.
	inlineHistory = 16 << 10
	// maxChunksKept bounds how many parts a phone can send again.
	maxChunksKept = 32
	// maxOnDemand bounds how many messages a device may request at once.
	maxOnDemand = 1000
)

// sentChunks remembers the parts of the history that a phone sent.
type sentChunks struct {
	mu sync.Mutex
	// sent are the parts that were sent as files, by the id of the message that announced them.
	sent  map[string]sentChunk
	order []string
}

// phoneHistory sends a phone's history to its devices.
type phoneHistory struct {
	*handset

	journal *journal
	sender  *sender
	chats   *phoneChats
	past    sentChunks
}

type sentChunk struct {
	key  []byte // the media key of the file
	data []byte // compressed
	note *waE2E.HistorySyncNotification
}

// sendHistory sends a newly linked device the phone's history: first the newest messages of every chat, then names,
// then the rest part by part. A phone without chats sends nothing.
func (p *phoneHistory) sendHistory(dev *accounts.Device) {
	for _, chunk := range p.historyParts(dev.FullHistory) {
		note := &waE2E.HistorySyncNotification{ChunkOrder: chunk.ChunkOrder, Progress: chunk.Progress}
		if err := p.sendChunk(dev, chunk, note, dev.InlineHistory); err != nil {
			p.Net.Log.Warn("phone could not send its history", "err", err)
			return
		}
	}
}

// historyParts divides the history into parts. With full it includes all messages.
func (p *phoneHistory) historyParts(full bool) []*waHistorySync.HistorySync {
	list, changes := p.journal.conversations()
	if len(list) == 0 {
		return nil
	}
	first := &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_INITIAL_BOOTSTRAP.Enum(), PhoneNumberToLidMappings: p.mappings(list),
		GlobalSettings: &waHistorySync.GlobalSettings{},
	}
	infos := make(map[types.JID]ChatInfo)
	for _, info := range p.chats.Chats() {
		infos[info.JID] = info
	}
	type rest struct {
		conversation

		at int // the position of the oldest message in the parts so far
	}
	var rests []rest
	for _, c := range list {
		from := max(0, len(c.messages)-firstMessages)
		described := p.historyConversation(c, from, len(c.messages), changes)
		describeConversation(c, infos[c.in.JID()], described)
		first.Conversations = append(first.Conversations, described)
		if from > 0 {
			rests = append(rests, rest{c, from})
		}
	}
	parts := []*waHistorySync.HistorySync{first, {SyncType: waHistorySync.HistorySync_PUSH_NAME.Enum(), Pushnames: p.pushNames(list)}}
	left := recentMessages
	next := func(kind waHistorySync.HistorySync_HistorySyncType) *waHistorySync.HistorySync {
		part, room := &waHistorySync.HistorySync{SyncType: kind.Enum()}, historyChunk
		for i := range rests {
			r := &rests[i]
			take := min(r.at, room)
			if kind == waHistorySync.HistorySync_RECENT {
				take = min(take, left)
				left -= take
			}
			if take > 0 {
				part.Conversations = append(part.Conversations, p.historyConversation(r.conversation, r.at-take, r.at, changes))
				r.at, room = r.at-take, room-take
			}
		}
		return part
	}
	for part := next(waHistorySync.HistorySync_RECENT); len(part.Conversations) > 0; part = next(waHistorySync.HistorySync_RECENT) {
		parts = append(parts, part)
	}
	if full {
		for part := next(waHistorySync.HistorySync_FULL); len(part.Conversations) > 0; part = next(waHistorySync.HistorySync_FULL) {
			parts = append(parts, part)
		}
	}
	parts = append(parts, &waHistorySync.HistorySync{SyncType: waHistorySync.HistorySync_NON_BLOCKING_DATA.Enum()})
	for i, part := range parts {
		part.ChunkOrder, part.Progress = proto.Uint32(uint32(i+1)), proto.Uint32(uint32((i+1)*100/len(parts)))
	}
	return parts
}

// historyConversation describes the messages of a chat at the positions from to to - 1, newest first.
func (p *phoneHistory) historyConversation(c conversation, from, to int, changes map[string][]Message) *waHistorySync.Conversation {
	newest := c.messages[len(c.messages)-1].Time
	end := waHistorySync.Conversation_COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY
	if from == 0 {
		end = waHistorySync.Conversation_COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY
	}
	described := &waHistorySync.Conversation{
		ID: proto.String(c.in.Hidden().String()), EndOfHistoryTransfer: proto.Bool(from == 0), EndOfHistoryTransferType: end.Enum(),
		ConversationTimestamp: proto.Uint64(uint64(newest.Unix())), LastMsgTimestamp: proto.Uint64(uint64(newest.Unix())),
	}
	for i := to - 1; i >= from; i-- {
		if message := p.webMessage(&c.messages[i], changes[c.messages[i].ID]); message != nil {
			described.Messages = append(described.Messages, &waHistorySync.HistorySyncMsg{Message: message, MsgOrderID: proto.Uint64(uint64(i + 1))})
		}
	}
	return described
}

// describeConversation adds what the phone knows of a chat besides its messages.
func describeConversation(c conversation, info ChatInfo, described *waHistorySync.Conversation) {
	described.UnreadCount, described.Name = proto.Uint32(uint32(info.Unread)), optional(info.Name)
	described.Archived, described.MarkedAsUnread = &info.Archived, &info.MarkedUnread
	if info.Pinned {
		described.Pinned = proto.Uint32(1)
	}
	switch {
	case info.Muted && info.MutedUntil.IsZero():
		described.MuteEndTime = proto.Uint64(math.MaxInt64)
	case info.Muted:
		described.MuteEndTime = proto.Uint64(uint64(info.MutedUntil.UnixMilli()))
	}
	if c.in.Account != nil {
		if info.Expiration > 0 {
			described.EphemeralExpiration = &info.Expiration
		}
		described.PnJID, described.LidJID = proto.String(c.in.Account.JID(0).String()), proto.String(c.in.Account.LIDJID(0).String())
		return
	}
	group := c.in.Group().Info()
	described.EphemeralExpiration = &group.Expiration
	for _, m := range group.Members {
		rank := waHistorySync.GroupParticipant_REGULAR
		switch m.Role {
		case groups.RoleAdmin:
			rank = waHistorySync.GroupParticipant_ADMIN
		case groups.RoleSuperAdmin:
			rank = waHistorySync.GroupParticipant_SUPERADMIN
		case groups.RoleMember:
		}
		described.Participant = append(described.Participant, &waHistorySync.GroupParticipant{UserJID: proto.String(m.LID.String()), Rank: rank.Enum()})
	}
}

// everybody lists all accounts that take part in the chats.
func everybody(list []conversation) []*accounts.Account {
	var all []*accounts.Account
	seen := make(map[*accounts.Account]bool)
	add := func(a *accounts.Account) {
		if a != nil && !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	for _, c := range list {
		add(c.in.Account)
		for i := range c.messages {
			add(c.messages[i].author)
		}
	}
	return all
}

func (p *phoneHistory) mappings(list []conversation) []*waHistorySync.PhoneNumberToLIDMapping {
	var all []*waHistorySync.PhoneNumberToLIDMapping
	for _, a := range everybody(list) {
		all = append(all, &waHistorySync.PhoneNumberToLIDMapping{PnJID: proto.String(a.JID(0).String()), LidJID: proto.String(a.LIDJID(0).String())})
	}
	return all
}

func (p *phoneHistory) pushNames(list []conversation) []*waHistorySync.Pushname {
	var all []*waHistorySync.Pushname
	for _, a := range everybody(list) {
		for _, jid := range []types.JID{a.JID(0), a.LIDJID(0)} {
			all = append(all, &waHistorySync.Pushname{ID: proto.String(jid.String()), Pushname: proto.String(a.Phone.Name())})
		}
	}
	return all
}

// sendChunk compresses a part of the history, uploads it and sends the device a message with its path. With inline, a
// small part is sent in the message itself.
func (p *phoneHistory) sendChunk(dev *accounts.Device, chunk *waHistorySync.HistorySync, note *waE2E.HistorySyncNotification, inline bool) error {
	kind := chunk.GetSyncType()
	plain, err := proto.Marshal(chunk)
	if err != nil {
		return fmt.Errorf("sandbox: encoding history: %w", err)
	}
	var packed bytes.Buffer
	writer := zlib.NewWriter(&packed)
	_, err = writer.Write(plain)
	if err = errors.Join(err, writer.Close()); err != nil {
		return fmt.Errorf("sandbox: compressing history: %w", err)
	}
	note.SyncType = waE2E.HistorySyncType(kind).Enum()
	messages, oldest := 0, time.Time{}
	for _, c := range chunk.GetConversations() {
		messages += len(c.GetMessages())
		for _, m := range c.GetMessages() {
			at := time.Unix(int64(m.GetMessage().GetMessageTimestamp()), 0)
			if oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
		}
	}
	if !oldest.IsZero() {
		note.OldestMsgInChunkTimestampSec = proto.Int64(oldest.Unix())
	}
	inline = inline && packed.Len() <= inlineHistory &&
		(kind == waHistorySync.HistorySync_INITIAL_BOOTSTRAP || kind == waHistorySync.HistorySync_ON_DEMAND)
	if inline {
		sum := sha256.Sum256(packed.Bytes())
		note.InitialHistBootstrapInlinePayload, note.FileLength, note.FileSHA256 = packed.Bytes(), proto.Uint64(uint64(packed.Len())), sum[:]
	}
	p.Net.Observer.Count(func(n *observe.Counters) { n.HistoryChunks++ })
	p.Net.Observer.Emit(observe.Event{
		Kind: observe.EventHistory, Account: p.Account.Number, Device: p.Account.JID(dev.ID).String(),
		Detail: fmt.Sprintf("%s %d %d", kind, chunk.GetChunkOrder(), messages),
	})
	return p.announceChunk(dev, note, packed.Bytes(), !inline)
}

// announceChunk sends the message about a part of the history. With upload it uploads the part first.
func (p *phoneHistory) announceChunk(dev *accounts.Device, note *waE2E.HistorySyncNotification, data []byte, upload bool) error {
	if upload {
		sealed, err := mediacrypt.Seal(data, mediacrypt.History)
		if err != nil {
			return fmt.Errorf("sandbox: sealing history: %w", err)
		}
		file, err := p.Net.Media.Put(p.Account.Number, "md-msg-hist", sealed.File)
		if err != nil {
			return fmt.Errorf("sandbox: uploading history: %w", err)
		}
		note.FileSHA256, note.FileEncSHA256, note.MediaKey = sealed.PlainSHA256, sealed.SealedSHA256, sealed.Key
		note.FileLength, note.DirectPath = proto.Uint64(uint64(sealed.Length)), &file.DirectPath
	}
	id, err := p.sender.sendPeer(dev, &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum(), HistorySyncNotification: note})
	if err != nil || !upload {
		return err
	}
	p.past.keep(id, sentChunk{key: note.MediaKey, data: data, note: note})
	return nil
}

func (h *sentChunks) keep(id string, chunk sentChunk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent == nil {
		h.sent = make(map[string]sentChunk)
	}
	h.sent[id] = chunk
	h.order = append(h.order, id)
	if len(h.order) > maxChunksKept {
		delete(h.sent, h.order[0])
		h.order = h.order[1:]
	}
}

func (h *sentChunks) find(id string) (sentChunk, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	chunk, ok := h.sent[id]
	return chunk, ok
}
