package phones

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/stanza"
)

// messageKey identifies a message. Senders choose the ids, so messages of different senders may have the same id.
type messageKey struct {
	account *accounts.Account
	id      string
}

// conversation is a chat with its messages, oldest first.
type conversation struct {
	in       groups.Chat
	messages []Message
}

// journal holds the decrypted messages that a phone sent and received, oldest first.
type journal struct {
	*handset

	mu       sync.Mutex
	messages []*Message
	byID     map[messageKey]*Message
	// changed is closed and replaced whenever a message arrives or changes.
	changed chan struct{}
}

func newJournal(h *handset) *journal {
	return &journal{handset: h, byID: make(map[messageKey]*Message), changed: make(chan struct{})}
}

// Messages lists the messages that the phone sent and received, oldest first: at most the last 10,000.
func (p *journal) Messages() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copyMessages()
}

func (p *journal) copyMessages() []Message {
	copied := make([]Message, len(p.messages))
	for i, message := range p.messages {
		copied[i] = *message
	}
	return copied
}

// WaitMessage waits for a message that matches and returns the oldest one. It checks again whenever a message arrives
// or changes, so match may test the status. It fails with ErrRemoved or the error of ctx.
func (p *journal) WaitMessage(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		p.mu.Lock()
		messages, changed := p.copyMessages(), p.changed
		p.mu.Unlock()
		for _, message := range messages {
			if match(message) {
				return message, nil
			}
		}
		select {
		case <-changed:
		case <-p.removed:
			return Message{}, ErrRemoved
		case <-ctx.Done():
			return Message{}, fmt.Errorf("sandbox: waiting for a message: %w", ctx.Err())
		}
	}
}

// enter adds a message, applies it to the message that it is about, and wakes those who wait.
func (p *journal) enter(message *Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(message)
	if message.Target != "" {
		target := p.byID[messageKey{message.about, message.Target}]
		if target != nil && target.chat == message.chat && target.mayChange(message) {
			target.apply(message)
		}
	}
	p.notify()
}

// add adds a message and forgets the oldest if there are too many. A message that was waited for takes the place of its
// placeholder. The caller holds the lock.
func (p *journal) add(message *Message) {
	if waiting := p.byID[message.key()]; waiting != nil && waiting.Kind == KindWaiting {
		*waiting = *message
		return
	}
	if len(p.messages) >= maxMessages {
		delete(p.byID, p.messages[0].key())
		p.messages = p.messages[1:]
	}
	p.messages = append(p.messages, message)
	p.byID[message.key()] = message
}

// key returns what identifies the message.
func (m *Message) key() messageKey { return messageKey{m.author, m.ID} }

// notify wakes everyone who waits for a change. The caller holds the lock.
func (p *journal) notify() {
	p.Account.Changed.Store(true)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Wake wakes everyone who waits for a change.
func (p *journal) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notify()
}

// next returns a channel that is closed at the next change.
func (p *journal) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// known reports whether the phone has a message. A placeholder does not count.
func (p *journal) known(d accounts.Delivery) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	message := p.byID[messageKey{d.From.Account, stanza.Attr(&d.Node, "id")}]
	return message != nil && message.Kind != KindWaiting
}

// inChat finds a message of a chat by its id.
func (p *journal) inChat(in groups.Chat, id string) (Message, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range slices.Backward(p.messages) {
		if message.ID == id && message.chat == in {
			return *message, true
		}
	}
	return Message{}, false
}

// keyFor returns the key of a message from the phone's point of view. Receivers translate it to theirs.
func (p *journal) keyFor(m *Message) *waCommon.MessageKey {
	key := &waCommon.MessageKey{
		RemoteJID: proto.String(m.chat.Hidden().String()), ID: proto.String(m.ID), FromMe: proto.Bool(m.author == p.Account),
	}
	if m.chat.Shared != nil && m.author != p.Account {
		key.Participant = proto.String(m.author.JIDOn(m.chat.Server(), 0).String())
	}
	return key
}

// findByKey finds a message by a key from the account's point of view. It also returns the messages that changed it.
func (p *journal) findByKey(key *waCommon.MessageKey) (Message, []Message, bool) {
	in, err := p.Net.Groups.Chat(key.GetRemoteJID())
	if err != nil {
		return Message{}, nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found *Message
	var changes []Message
	for _, m := range p.messages {
		switch {
		case m.chat != in:
		case m.ID == key.GetID() && (m.author == p.Account) == key.GetFromMe():
			found = m
		case m.Target == key.GetID():
			changes = append(changes, *m)
		}
	}
	if found == nil {
		return Message{}, nil, false
	}
	return *found, changes, true
}

// messageRange returns the range of an action on a chat: up to its newest message.
func (p *journal) messageRange(in groups.Chat) *waSyncAction.SyncActionMessageRange {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range slices.Backward(p.messages) {
		if message.chat == in {
			at := proto.Int64(message.Time.Unix())
			return &waSyncAction.SyncActionMessageRange{
				LastMessageTimestamp: at, Messages: []*waSyncAction.SyncActionMessage{{Key: p.keyFor(message), Timestamp: at}},
			}
		}
	}
	return &waSyncAction.SyncActionMessageRange{LastMessageTimestamp: proto.Int64(time.Now().Unix())}
}

// Partners lists the accounts with whom the phone has a chat, in the order of their first message. It leaves out the
// accounts that were removed: their messages stay.
func (p *journal) Partners() []*accounts.Account { return p.Net.Dir.Present(p.everyPartner()) }

func (p *journal) everyPartner() []*accounts.Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*accounts.Account
	seen := make(map[*accounts.Account]bool)
	for _, message := range p.messages {
		if other := message.chat.Account; other != nil && !seen[other] {
			seen[other] = true
			all = append(all, other)
		}
	}
	return all
}

// conversations returns the messages by chat, the chat with the newest message first. changes are the messages that
// changed others, such as reactions, by the id of the message that they are about.
func (p *journal) conversations() (list []conversation, changes map[string][]Message) {
	p.mu.Lock()
	all := p.copyMessages()
	p.mu.Unlock()
	at := make(map[groups.Chat]int)
	changes = make(map[string][]Message)
	for i := range all {
		m := &all[i]
		switch {
		case m.chat == groups.Chat{}, m.chat.IsStatuses(), m.chat.IsList():
			continue
		case m.Target != "":
			changes[m.Target] = append(changes[m.Target], *m)
			continue
		case m.raw == nil && !m.Revoked, m.Kind == KindTimer:
			continue
		}
		k, known := at[m.chat]
		if !known {
			k = len(list)
			at[m.chat] = k
			list = append(list, conversation{in: m.chat})
		}
		list[k].messages = append(list[k].messages, *m)
	}
	slices.SortStableFunc(list, func(a, b conversation) int {
		return b.messages[len(b.messages)-1].Time.Compare(a.messages[len(a.messages)-1].Time)
	})
	return list, changes
}

// advance sets the status of messages that an account sent. A message that was read stays read.
func (p *journal) advance(sender *accounts.Account, ids []string, to Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		message := p.byID[messageKey{sender, id}]
		if message != nil && message.Status != StatusRead {
			message.Status = to
			p.notify()
		}
	}
}

// find returns the message with this author and id.
func (p *journal) find(author *accounts.Account, id string) (Message, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.byID[messageKey{author, id}]; found != nil {
		return *found, true
	}
	return Message{}, false
}

// findID returns the oldest message with an id, whoever sent it.
func (p *journal) findID(id string) (Message, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.messages, func(m *Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return *p.messages[i], true
}

// countCopy counts a further copy of a message.
func (p *journal) countCopy(d accounts.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if message := p.byID[messageKey{d.From.Account, stanza.Attr(&d.Node, "id")}]; message != nil {
		message.Copies++
		p.notify()
	}
}

// markRead marks a received message as read.
func (p *journal) markRead(message Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, entered := range p.byID {
		if key.id == message.ID && !entered.FromMe && entered.From == message.From {
			entered.Status = StatusRead
			p.notify()
			break
		}
	}
}

// markChatRead marks all received messages of a chat as read.
func (p *journal) markChatRead(in groups.Chat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range p.messages {
		if message.chat == in && message.Status == StatusReceived {
			message.Status = StatusRead
		}
	}
	p.notify()
}

// moveMedia sets a new path for the file of a message.
func (p *journal) moveMedia(m *Message, path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept := p.byID[m.key()]; kept != nil && kept.Media != nil {
		described := *kept.Media
		described.DirectPath = path
		kept.Media = &described
		p.notify()
	}
}
