package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/signal"
)

// messageKey names a message: ids are chosen by senders and could clash between them.
type messageKey struct {
	account *account
	id      string
}

// delivery is a stanza on its way to a phone. group is nil in conversations of two.
type delivery struct {
	node  waBinary.Node
	from  origin
	chat  *account
	group *group
}

const (
	maxMessages = 10_000
	maxRetries  = 4
)

// The server tells a phone about its devices by these.
const (
	tagLinked   = "device_linked"
	tagUnlinked = "device_unlinked"
)

// receive handles one stanza. It runs in the inbox's goroutine.
func (p *Phone) receive(d delivery) {
	defer p.account.changed.Store(true)
	switch d.node.Tag {
	case "message":
		p.receiveMessage(d)
	case "receipt":
		p.receiveReceipt(d)
	case "notification":
		p.receiveSync(d)
	case tagLinked:
		p.greet(p.srv.dir.device(p.account, d.from.device))
	case tagUnlinked:
		p.renewKey()
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
	if attr(&d.node, "category") == categoryPeer {
		// What a linked device asks its phone, not what people write.
		p.confirmDelivery(d)
		p.receivePeer(d, &content)
		return
	}
	p.takeSenderKey(d, &content)
	p.react(d, p.record(d, &content))
}

// decrypt decrypts a message. In a group the sender's key comes encrypted for this phone beside the text that is
// encrypted with it.
func (p *Phone) decrypt(d delivery) ([]byte, error) {
	parts := d.node.GetChildrenByTag("enc")
	if len(parts) == 0 {
		return nil, errors.New("no enc child")
	}
	// Sessions go by hidden ids, whichever address the stanza used: one device is one session.
	sender := d.from.account.lidJID(d.from.device)
	var plaintext []byte
	for i := range parts {
		var padded []byte
		var err error
		kind := attr(&parts[i], "type")
		grouped := kind == signal.TypeSenderKeyMessage && d.group != nil
		if grouped {
			padded, err = p.sig.GroupDecrypt(d.group.jid, sender, bytesOf(&parts[i]))
		} else {
			padded, err = p.sig.Decrypt(sender, kind, bytesOf(&parts[i]))
		}
		if err != nil {
			return nil, err
		}
		if plaintext, err = signal.Unpad(padded); err != nil {
			return nil, err
		}
		if !grouped && i+1 < len(parts) {
			var key waE2E.Message
			if err = proto.Unmarshal(plaintext, &key); err != nil {
				return nil, fmt.Errorf("read a sender key: %w", err)
			}
			p.takeSenderKey(d, &key)
		}
	}
	return plaintext, nil
}

// takeSenderKey takes in the key with which a sender encrypts for a group.
func (p *Phone) takeSenderKey(d delivery, content *waE2E.Message) {
	key := content.GetSenderKeyDistributionMessage()
	if key == nil || d.group == nil || key.GetGroupID() != d.group.jid.String() {
		return
	}
	if err := p.sig.ProcessSenderKey(d.group.jid, d.from.account.lidJID(d.from.device), key.GetAxolotlSenderKeyDistributionMessage()); err != nil {
		p.srv.log.Debug("phone could not use a sender key", "err", err)
	}
}

func (p *Phone) known(d delivery) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[messageKey{d.from.account, attr(&d.node, "id")}] != nil
}

// record enters a message. Copies of what the account's other devices sent carry the chat inside.
func (p *Phone) record(d delivery, content *waE2E.Message) Message {
	in := chat{account: d.from.account, group: d.group}
	if sent := content.GetDeviceSentMessage(); sent != nil && d.from.account == p.account {
		in = p.destination(sent.GetDestinationJID())
		content = sent.GetMessage()
	}
	if in.group != nil {
		in.account = nil
	}
	message := &Message{
		ID:     attr(&d.node, "id"),
		From:   d.from.account.jid(0),
		Device: d.from.device,
		To:     p.account.jid(0),
		Chat:   in.jid(),
		FromMe: d.from.account == p.account,
		Name:   attr(&d.node, "notify"),
		Kind:   KindUnknown,
		Type:   attr(&d.node, "type"),
		Time:   time.Now(),
		Status: StatusReceived,
		Copies: 1,
		sender: attrJID(&d.node, "from"),
		author: d.from.account,
		chat:   in,
	}
	if d.group != nil {
		message.To, message.sender = in.jid(), attrJID(&d.node, "participant")
	}
	if message.FromMe {
		message.To, message.Status = in.jid(), StatusSent
	}
	p.readContent(content, message)
	if raw, err := proto.Marshal(content); err == nil {
		message.raw = raw
	}
	seen := *message // before others can change it
	p.enter(messageKey{d.from.account, message.ID}, message)
	return seen
}

// destination is the chat that a copy of an own message belongs to; one's own when it cannot be found.
func (p *Phone) destination(name string) chat {
	if to, err := p.srv.chat(name); err == nil {
		return to
	}
	return chat{account: p.account}
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
	if message.Target != "" {
		target := p.byID[messageKey{message.about, message.Target}]
		if target != nil && target.chat == message.chat && target.mayChange(message) {
			target.apply(message)
		}
	}
	p.notify()
}

// notify wakes everyone who waits for a change. The caller holds the lock.
func (p *Phone) notify() {
	p.account.changed.Store(true)
	close(p.changed)
	p.changed = make(chan struct{})
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
	p.mu.Lock()
	script, delay := p.script, p.delay
	p.mu.Unlock()
	switch script {
	case ScriptSilent:
	case ScriptSlow:
		p.srv.after(delay, func() { p.respond(d, message, script) })
	default:
		p.respond(d, message, script)
	}
}

func (p *Phone) respond(d delivery, message Message, script Script) {
	p.confirmDelivery(d)
	// What only changes another message is shown there; there is nothing to read.
	if message.FromMe || message.Target != "" || script == ScriptDeliver {
		return
	}
	p.read(message)
	if script == ScriptEcho && !d.from.scripted {
		p.echo(message)
	}
}

// echo sends back what a message says or carries.
func (p *Phone) echo(message Message) {
	out := Outgoing{To: message.Chat.String(), Kind: message.Kind, Text: message.Text, Location: message.Location, Contact: message.Contact, scripted: true}
	if message.Media != nil {
		data, err := message.Media.Bytes()
		if err != nil {
			p.srv.log.Debug("phone could not download what it was to echo", "err", err)
			return
		}
		m := message.Media
		out.Media = &Attachment{
			Data: data, MIME: m.MIME, FileName: m.FileName, Width: m.Width, Height: m.Height, Seconds: m.Seconds,
			Voice: m.Voice, Animated: m.Animated, GIF: m.GIF, Waveform: m.Waveform, Thumbnail: m.Thumbnail,
		}
	}
	if message.Poll != nil {
		out.Selectable = message.Poll.Selectable
		for _, option := range message.Poll.Options {
			out.Options = append(out.Options, option.Name)
		}
	}
	if out.check() != nil {
		return
	}
	if _, err := p.dispatch(&out, message.chat); err != nil {
		p.srv.log.Warn("phone could not answer", "err", err)
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
