package phones

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

const (
	maxMessages = 10_000
	maxRetries  = 4
	// maxRetriesKept bounds how many messages a phone counts the retries of.
	maxRetriesKept = 4096
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
func (p *receiver) receive(d accounts.Delivery) {
	defer p.Account.Changed.Store(true)
	switch d.Node.Tag {
	case "message":
		p.receiveMessage(d)
	case "receipt":
		p.receiveReceipt(d)
	case "notification":
		p.sync.receiveSync(d)
	case accounts.TagLinked:
		p.companions.greet(p.Net.Dir.Device(p.Account, d.From.Device))
	case accounts.TagUnlinked:
		p.sync.renewKey()
	}
}

func (p *receiver) receiveMessage(d accounts.Delivery) {
	plaintext, err := p.decrypt(d)
	switch {
	case errors.Is(err, signal.ErrDuplicate) && p.journal.known(d):
		p.receivedAgain(d)
		return
	case errors.Is(err, signal.ErrDuplicate):
		// Another message under a key that was used before: the client went back to an older state of the
		// session, as it does when it sends and receives in one chat at the same moment without a lock.
		p.Net.Observer.Count(func(n *observe.Counters) { n.KeyReuses++ })
		p.askAgain(d)
		return
	case err != nil:
		p.Net.Log.Debug("phone could not decrypt", "id", stanza.Attr(&d.Node, "id"), "err", err)
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
		p.Net.Log.Debug("phone could not read a message", "id", stanza.Attr(&d.Node, "id"), "err", err)
		return
	}
	if stanza.Attr(&d.Node, "category") == stanza.CategoryPeer {
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
func (p *receiver) decrypt(d accounts.Delivery) ([]byte, error) {
	parts := d.Node.GetChildrenByTag("enc")
	if len(parts) == 0 {
		return nil, errors.New("no enc child")
	}
	// Sessions go by hidden ids, whichever address the stanza used: one device is one session.
	sender := d.From.Account.LIDJID(d.From.Device)
	var plaintext []byte
	for i := range parts {
		var padded []byte
		var err error
		kind := stanza.Attr(&parts[i], "type")
		grouped := kind == signal.TypeSenderKeyMessage && !d.Group.IsEmpty()
		if grouped {
			padded, err = p.Sig.GroupDecrypt(d.Group, sender, stanza.Bytes(&parts[i]))
		} else {
			padded, err = p.Sig.Decrypt(sender, kind, stanza.Bytes(&parts[i]))
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
func (p *receiver) takeSenderKey(d accounts.Delivery, content *waE2E.Message) {
	key := content.GetSenderKeyDistributionMessage()
	if key == nil || d.Group.IsEmpty() || key.GetGroupID() != d.Group.String() {
		return
	}
	if err := p.Sig.ProcessSenderKey(d.Group, d.From.Account.LIDJID(d.From.Device), key.GetAxolotlSenderKeyDistributionMessage()); err != nil {
		p.Net.Log.Debug("phone could not use a sender key", "err", err)
	}
}

// record enters a message. Copies of what the account's other devices sent carry the chat inside.
func (p *receiver) record(d accounts.Delivery, content *waE2E.Message) Message {
	in := groups.Chat{Account: d.From.Account, Group: p.Net.Groups.Find(d.Group)}
	if sent := content.GetDeviceSentMessage(); sent != nil && d.From.Account == p.Account {
		in = p.destination(sent.GetDestinationJID())
		content = sent.GetMessage()
	}
	if in.Group != nil {
		in.Account = nil
	}
	message := &Message{
		Content: Content{Kind: KindUnknown},
		ID:      stanza.Attr(&d.Node, "id"),
		From:    d.From.Account.JID(0),
		Device:  d.From.Device,
		To:      p.Account.JID(0),
		Chat:    in.JID(),
		FromMe:  d.From.Account == p.Account,
		Name:    stanza.Attr(&d.Node, "notify"),
		Type:    stanza.Attr(&d.Node, "type"),
		Time:    time.Now(),
		Status:  StatusReceived,
		Copies:  1,
		sender:  stanza.JID(&d.Node, "from"),
		author:  d.From.Account,
		chat:    in,
	}
	if !d.Group.IsEmpty() {
		message.To, message.sender = in.JID(), stanza.JID(&d.Node, "participant")
	}
	if message.FromMe {
		message.To, message.Status = in.JID(), StatusSent
	}
	p.codec.readContent(content, message)
	if raw, err := proto.Marshal(content); err == nil {
		message.raw = raw
	}
	seen := *message // before others can change it
	p.journal.enter(messageKey{d.From.Account, message.ID}, message)
	return seen
}

// destination is the chat that a copy of an own message belongs to; one's own when it cannot be found.
func (p *receiver) destination(name string) groups.Chat {
	if to, err := p.Net.Groups.Chat(name); err == nil {
		return to
	}
	return groups.Chat{Account: p.Account}
}

// receivedAgain counts a further copy. The sender learns once more that the message has arrived: it may have
// sent it again because it never learned.
func (p *receiver) receivedAgain(d accounts.Delivery) {
	p.Net.Observer.Count(func(n *observe.Counters) { n.Duplicates++ })
	p.journal.countCopy(d)
	if p.Script() != ScriptSilent {
		p.confirmDelivery(d)
	}
}

// react does what the phone's script says about a new message.
func (p *receiver) react(d accounts.Delivery, message Message) {
	p.mu.Lock()
	script, delay := p.script, p.delay
	p.mu.Unlock()
	switch script {
	case ScriptSilent:
	case ScriptSlow:
		p.Net.Tasks.After(delay, func() { p.respond(d, message, script) })
	default:
		p.respond(d, message, script)
	}
}

func (p *receiver) respond(d accounts.Delivery, message Message, script Script) {
	p.confirmDelivery(d)
	// What only changes another message is shown there; there is nothing to read.
	if message.FromMe || message.Target != "" || script == ScriptDeliver {
		return
	}
	p.read(message)
	if script == ScriptEcho && !d.From.Scripted {
		p.echo(message)
	}
}

// echo sends back what a message says or carries.
func (p *receiver) echo(message Message) {
	out := Outgoing{To: message.Chat.String(), Kind: message.Kind, Text: message.Text, Location: message.Location, Contact: message.Contact, scripted: true}
	if message.Media != nil {
		data, err := message.Media.Bytes()
		if err != nil {
			p.Net.Log.Debug("phone could not download what it was to echo", "err", err)
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
		p.Net.Log.Warn("phone could not answer", "err", err)
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
	if !script.Valid() {
		return fmt.Errorf("%w: got %q", ErrBadScript, script)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Account.Changed.Store(true)
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
	p.Account.Changed.Store(true)
	p.delay = delay
	return nil
}
