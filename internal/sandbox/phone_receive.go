package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

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

// receiver handles what arrives at a phone, and does what its script says.
type receiver struct {
	*handset

	journal    *journal
	codec      *codec
	sender     *sender
	sync       *phoneSync
	companions *companions

	mu      sync.Mutex
	script  Script
	delay   time.Duration
	retries map[string]int
}

// receive handles one stanza. It runs in the inbox's goroutine.
func (p *receiver) receive(d delivery) {
	defer p.account.changed.Store(true)
	switch d.node.Tag {
	case "message":
		p.receiveMessage(d)
	case "receipt":
		p.receiveReceipt(d)
	case "notification":
		p.sync.receiveSync(d)
	case tagLinked:
		p.companions.greet(p.net.dir.device(p.account, d.from.device))
	case tagUnlinked:
		p.sync.renewKey()
	}
}

func (p *receiver) receiveMessage(d delivery) {
	plaintext, err := p.decrypt(d)
	switch {
	case errors.Is(err, signal.ErrDuplicate) && p.journal.known(d):
		p.receivedAgain(d)
		return
	case errors.Is(err, signal.ErrDuplicate):
		// Another message under a key that was used before: the client went back to an older state of the
		// session, as it does when it sends and receives in one chat at the same moment without a lock.
		p.net.observer.Count(func(n *observe.Counters) { n.KeyReuses++ })
		p.askAgain(d)
		return
	case err != nil:
		p.net.log.Debug("phone could not decrypt", "id", stanza.Attr(&d.node, "id"), "err", err)
		p.askAgain(d)
		return
	}
	if p.journal.known(d) {
		// Encrypted anew, but the same message all the same.
		p.receivedAgain(d)
		return
	}
	var content waE2E.Message
	if err = proto.Unmarshal(plaintext, &content); err != nil {
		p.net.log.Debug("phone could not read a message", "id", stanza.Attr(&d.node, "id"), "err", err)
		return
	}
	if stanza.Attr(&d.node, "category") == categoryPeer {
		// What a linked device asks its phone, not what people write.
		p.confirmDelivery(d)
		p.companions.receivePeer(d, &content)
		return
	}
	p.takeSenderKey(d, &content)
	p.react(d, p.record(d, &content))
}

// decrypt decrypts a message. In a group the sender's key comes encrypted for this phone beside the text that is
// encrypted with it.
func (p *receiver) decrypt(d delivery) ([]byte, error) {
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
		kind := stanza.Attr(&parts[i], "type")
		grouped := kind == signal.TypeSenderKeyMessage && d.group != nil
		if grouped {
			padded, err = p.sig.GroupDecrypt(d.group.jid, sender, stanza.Bytes(&parts[i]))
		} else {
			padded, err = p.sig.Decrypt(sender, kind, stanza.Bytes(&parts[i]))
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
func (p *receiver) takeSenderKey(d delivery, content *waE2E.Message) {
	key := content.GetSenderKeyDistributionMessage()
	if key == nil || d.group == nil || key.GetGroupID() != d.group.jid.String() {
		return
	}
	if err := p.sig.ProcessSenderKey(d.group.jid, d.from.account.lidJID(d.from.device), key.GetAxolotlSenderKeyDistributionMessage()); err != nil {
		p.net.log.Debug("phone could not use a sender key", "err", err)
	}
}

// record enters a message. Copies of what the account's other devices sent carry the chat inside.
func (p *receiver) record(d delivery, content *waE2E.Message) Message {
	in := chat{account: d.from.account, group: d.group}
	if sent := content.GetDeviceSentMessage(); sent != nil && d.from.account == p.account {
		in = p.destination(sent.GetDestinationJID())
		content = sent.GetMessage()
	}
	if in.group != nil {
		in.account = nil
	}
	message := &Message{
		Content: Content{Kind: KindUnknown},
		ID:      stanza.Attr(&d.node, "id"),
		From:    d.from.account.jid(0),
		Device:  d.from.device,
		To:      p.account.jid(0),
		Chat:    in.jid(),
		FromMe:  d.from.account == p.account,
		Name:    stanza.Attr(&d.node, "notify"),
		Type:    stanza.Attr(&d.node, "type"),
		Time:    time.Now(),
		Status:  StatusReceived,
		Copies:  1,
		sender:  stanza.JID(&d.node, "from"),
		author:  d.from.account,
		chat:    in,
	}
	if d.group != nil {
		message.To, message.sender = in.jid(), stanza.JID(&d.node, "participant")
	}
	if message.FromMe {
		message.To, message.Status = in.jid(), StatusSent
	}
	p.codec.readContent(content, message)
	if raw, err := proto.Marshal(content); err == nil {
		message.raw = raw
	}
	seen := *message // before others can change it
	p.journal.enter(messageKey{d.from.account, message.ID}, message)
	return seen
}

// destination is the chat that a copy of an own message belongs to; one's own when it cannot be found.
func (p *receiver) destination(name string) chat {
	if to, err := p.net.groups.chat(name); err == nil {
		return to
	}
	return chat{account: p.account}
}

// receivedAgain counts a further copy. The sender learns once more that the message has arrived: it may have
// sent it again because it never learned.
func (p *receiver) receivedAgain(d delivery) {
	p.net.observer.Count(func(n *observe.Counters) { n.Duplicates++ })
	p.journal.countCopy(d)
	if p.Script() != ScriptSilent {
		p.confirmDelivery(d)
	}
}

// react does what the phone's script says about a new message.
func (p *receiver) react(d delivery, message Message) {
	p.mu.Lock()
	script, delay := p.script, p.delay
	p.mu.Unlock()
	switch script {
	case ScriptSilent:
	case ScriptSlow:
		p.net.tasks.After(delay, func() { p.respond(d, message, script) })
	default:
		p.respond(d, message, script)
	}
}

func (p *receiver) respond(d delivery, message Message, script Script) {
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
func (p *receiver) echo(message Message) {
	out := Outgoing{To: message.Chat.String(), Kind: message.Kind, Text: message.Text, Location: message.Location, Contact: message.Contact, scripted: true}
	if message.Media != nil {
		data, err := message.Media.Bytes()
		if err != nil {
			p.net.log.Debug("phone could not download what it was to echo", "err", err)
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
	if _, err := p.sender.dispatch(&out, message.chat); err != nil {
		p.net.log.Warn("phone could not answer", "err", err)
	}
}

// MarkRead reads a received message and tells the sender; it may be called again.
func (p *receiver) MarkRead(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, message := range p.journal.Messages() {
		if message.ID == id && !message.FromMe {
			p.read(message)
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrUnknownMessage, id)
}

// Script says what the phone does by itself.
func (p *receiver) Script() Script {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.script
}

// SetScript changes what the phone does by itself from the next message on.
func (p *receiver) SetScript(script Script) error {
	if !script.valid() {
		return fmt.Errorf("%w: got %q", ErrBadScript, script)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account.changed.Store(true)
	p.script = script
	return nil
}

// Delay is how long ScriptSlow takes.
func (p *receiver) Delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// SetDelay changes how long ScriptSlow takes.
func (p *receiver) SetDelay(delay time.Duration) error {
	if delay <= 0 || delay > maxDelay {
		return fmt.Errorf("%w: got %s", ErrBadDelay, delay)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
	return nil
}
