package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/sandbox/internal/signal"
)

// Status says how far a message has come.
type Status string

// The states of a message: one that the phone sent goes from sent to delivered to read, one that it received
// from received to read.
const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusReceived  Status = "received"
	StatusRead      Status = "read"
)

// Message is a message as a phone sees it, decrypted.
type Message struct {
	ID string `json:"id"`
	// From is the account that sent it, Device the device of that account (0 is the phone), Chat the other
	// side of the conversation and To the receiver; all by phone number.
	From   types.JID `json:"from"`
	Device uint16    `json:"device"`
	To     types.JID `json:"to"`
	Chat   types.JID `json:"chat"`
	// FromMe says that the phone's own account sent it, from the phone or a linked device.
	FromMe bool   `json:"from_me"`
	Text   string `json:"text"`
	// Type is the type attribute of the stanza: text, media, reaction, poll and so on.
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
	Status Status    `json:"status"`
	// Copies counts how often the message arrived: more than one means that it was received twice.
	Copies int `json:"copies"`

	// sender is where receipts go.
	sender types.JID
}

// messageKey names a message: ids are chosen by senders and could clash between them.
type messageKey struct {
	account *account
	id      string
}

// delivery is a stanza on its way to a phone.
type delivery struct {
	node waBinary.Node
	from origin
	chat *account
}

const (
	maxMessages = 10_000
	maxRetries  = 4
)

// receive handles one stanza. It runs in the inbox's goroutine.
func (p *Phone) receive(d delivery) {
	switch d.node.Tag {
	case "message":
		p.receiveMessage(d)
	case "receipt":
		p.receiveReceipt(d)
	}
}

func (p *Phone) receiveMessage(d delivery) {
	plaintext, err := p.decrypt(d)
	switch {
	case errors.Is(err, signal.ErrDuplicate) && p.known(d):
		p.receivedAgain(d)
		return
	case errors.Is(err, signal.ErrDuplicate):
		// Another message under a key that was used before: the client went back to an older state of the
		// session, as it does when it sends and receives in one chat at the same moment without a lock.
		p.srv.stats.add(func(n *Counters) { n.KeyReuses++ })
		p.askAgain(d)
		return
	case err != nil:
		p.srv.log.Debug("phone could not decrypt", "id", attr(&d.node, "id"), "err", err)
		p.askAgain(d)
		return
	}
	if p.known(d) {
		// Encrypted anew, but the same message all the same.
		p.receivedAgain(d)
		return
	}
	var content waE2E.Message
	if err = proto.Unmarshal(plaintext, &content); err != nil {
		p.srv.log.Debug("phone could not read a message", "id", attr(&d.node, "id"), "err", err)
		return
	}
	message := p.record(d, &content)
	p.react(d, message)
}

// decrypt finds and decrypts the ciphertext of a message.
func (p *Phone) decrypt(d delivery) ([]byte, error) {
	enc, ok := d.node.GetOptionalChildByTag("enc")
	if !ok {
		return nil, errors.New("no enc child")
	}
	// Sessions go by hidden ids, whichever address the stanza used: one device is one session.
	sender := d.from.account.lidJID(d.from.device)
	padded, err := p.sig.Decrypt(sender, attr(&enc, "type"), bytesOf(&enc))
	if err != nil {
		return nil, err
	}
	return signal.Unpad(padded)
}

func (p *Phone) known(d delivery) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[messageKey{d.from.account, attr(&d.node, "id")}] != nil
}

// record enters a message. Copies of what the account's other devices sent carry the chat inside.
func (p *Phone) record(d delivery, content *waE2E.Message) Message {
	chat := d.from.account
	if d.from.account == p.account {
		chat = p.account
		if sent := content.GetDeviceSentMessage(); sent != nil {
			if jid, err := types.ParseJID(sent.GetDestinationJID()); err == nil {
				if other := p.srv.dir.find(jid); other != nil {
					chat = other
				}
			}
			content = sent.GetMessage()
		}
	}
	message := &Message{
		ID:     attr(&d.node, "id"),
		From:   d.from.account.jid(0),
		Device: d.from.device,
		To:     p.account.jid(0),
		Chat:   chat.jid(0),
		FromMe: d.from.account == p.account,
		Text:   textOf(content),
		Type:   attr(&d.node, "type"),
		Time:   time.Now(),
		Status: StatusReceived,
		Copies: 1,
		sender: attrJID(&d.node, "from"),
	}
	if message.FromMe {
		message.To, message.Status = chat.jid(0), StatusSent
	}
	p.enter(messageKey{d.from.account, message.ID}, message)
	return *message
}

// enter adds a message and wakes those who wait for one.
func (p *Phone) enter(key messageKey, message *Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) >= maxMessages {
		oldest := p.messages[0]
		p.messages = p.messages[1:]
		for known, entered := range p.byID {
			if entered == oldest {
				delete(p.byID, known)
				break
			}
		}
	}
	p.messages = append(p.messages, message)
	p.byID[key] = message
	p.notify()
}

// notify wakes everyone who waits for a change. The caller holds the lock.
func (p *Phone) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func textOf(content *waE2E.Message) string {
	switch {
	case content.GetConversation() != "":
		return content.GetConversation()
	case content.GetExtendedTextMessage() != nil:
		return content.GetExtendedTextMessage().GetText()
	case content.GetReactionMessage() != nil:
		return content.GetReactionMessage().GetText()
	default:
		return ""
	}
}

// receivedAgain counts a further copy. The sender learns once more that the message has arrived: it may have
// sent it again because it never learned.
func (p *Phone) receivedAgain(d delivery) {
	p.srv.stats.add(func(n *Counters) { n.Duplicates++ })
	p.mu.Lock()
	if message := p.byID[messageKey{d.from.account, attr(&d.node, "id")}]; message != nil {
		message.Copies++
		p.notify()
	}
	silent := p.script == ScriptSilent
	p.mu.Unlock()
	if !silent {
		p.confirmDelivery(d)
	}
}

// react does what the phone's script says about a new message.
func (p *Phone) react(d delivery, message Message) {
	script := p.Script()
	if script == ScriptSilent {
		return
	}
	p.confirmDelivery(d)
	if message.FromMe || script == ScriptDeliver {
		return
	}
	p.read(message)
	if script == ScriptEcho && !d.from.scripted && message.Text != "" {
		if _, err := p.send(d.from.account, message.Text, true); err != nil {
			p.srv.log.Warn("phone could not answer", "err", err)
		}
	}
}

func (p *Phone) confirmDelivery(d delivery) {
	kind := ""
	if d.from.account == p.account {
		kind = receiptSender
	}
	p.sendReceipt(attrJID(&d.node, "from"), attr(&d.node, "id"), kind, nil)
}

// read marks a received message as read and tells the sender.
func (p *Phone) read(message Message) {
	p.mu.Lock()
	for key, entered := range p.byID {
		if key.id == message.ID && !entered.FromMe && entered.From == message.From {
			entered.Status = StatusRead
			p.notify()
			break
		}
	}
	p.mu.Unlock()
	p.sendReceipt(message.sender, message.ID, receiptRead, nil)
}

func (p *Phone) sendReceipt(to types.JID, id, kind string, content []waBinary.Node) {
	receipt := waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{"to": to, "id": id, "type": kind}}
	if content != nil {
		receipt.Content = content
	}
	p.srv.routeReceipt(origin{account: p.account}, &receipt)
}

// askAgain asks the sending device to encrypt a message anew, with fresh keys of the phone.
func (p *Phone) askAgain(d delivery) {
	id := attr(&d.node, "id")
	key := d.from.account.lidJID(d.from.device).String() + " " + id
	p.mu.Lock()
	if len(p.retries) > maxSeen {
		clear(p.retries)
	}
	p.retries[key]++
	count := p.retries[key]
	p.mu.Unlock()
	if count > maxRetries {
		return
	}
	keys := p.bundleNodes()
	registration := keys[0]
	p.sendReceipt(attrJID(&d.node, "from"), id, receiptRetry, []waBinary.Node{
		{Tag: "retry", Attrs: waBinary.Attrs{"count": strconv.Itoa(count), "id": id, "t": attr(&d.node, "t"), "v": "1"}},
		registration,
		{Tag: "keys", Content: keys[1:]},
	})
}

// receiveReceipt notes how far a message has come, or sends one again.
func (p *Phone) receiveReceipt(d delivery) {
	switch kind := attr(&d.node, "type"); kind {
	case receiptRetry:
		p.sendAgain(d)
	case "", "inactive":
		p.advance(p.account, receiptIDs(&d.node), StatusDelivered)
	case receiptRead, receiptPlayed:
		p.advance(p.account, receiptIDs(&d.node), StatusRead)
	case receiptReadSelf:
		if chat := p.srv.dir.find(attrJID(&d.node, "recipient")); chat != nil {
			p.advance(chat, receiptIDs(&d.node), StatusRead)
		}
	}
}

func receiptIDs(node *waBinary.Node) []string {
	ids := []string{attr(node, "id")}
	list := node.GetChildByTag("list")
	for _, item := range list.GetChildrenByTag("item") {
		ids = append(ids, attr(&item, "id"))
	}
	return ids
}

// advance moves messages that an account sent to a later state; states never go back.
func (p *Phone) advance(sender *account, ids []string, to Status) {
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

// Messages lists what the phone sent and received, oldest first; at most the last 10,000.
func (p *Phone) Messages() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copyMessages()
}

func (p *Phone) copyMessages() []Message {
	copied := make([]Message, len(p.messages))
	for i, message := range p.messages {
		copied[i] = *message
	}
	return copied
}

// WaitMessage returns the first message that matches, waiting for it until ctx is done. It looks again whenever
// a message arrives or changes, so match may ask for a status.
func (p *Phone) WaitMessage(ctx context.Context, match func(Message) bool) (Message, error) {
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
			return Message{}, ErrPhoneRemoved
		case <-ctx.Done():
			return Message{}, fmt.Errorf("sandbox: waiting for a message: %w", ctx.Err())
		}
	}
}

// MarkRead reads a received message and tells the sender; it may be called again.
func (p *Phone) MarkRead(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, message := range p.Messages() {
		if message.ID == id && !message.FromMe {
			p.read(message)
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrUnknownMessage, id)
}
