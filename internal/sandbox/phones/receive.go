package phones

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phonesync"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

const (
	maxMessages = 10_000
	maxRetries  = 4
	// maxRetriesKept bounds for how many messages a phone counts retries.
	maxRetriesKept = 4096
)

// receiver handles the stanzas for a phone and carries out the phone's script.
type receiver struct {
	*handset

	journal    *journal
	codec      *codec
	sender     *sender
	sync       *phonesync.Sync
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
		p.sync.Receive(d)
	case accounts.TagLinked:
		p.companions.greet(p.Net.Dir.Device(p.Account, d.From.Device))
	case accounts.TagUnlinked:
		p.sync.RenewKey()
	}
}

func (p *receiver) receiveMessage(d accounts.Delivery) {
	plaintext, err := p.decrypt(d)
	switch {
	case errors.Is(err, signal.ErrDuplicate) && p.journal.known(d):
		p.handleDuplicate(d)
		return
	case errors.Is(err, signal.ErrDuplicate):
		// A different message with a used key: the client returned to an older state of the session. Clients do so when
		// they encrypt and decrypt for one chat at the same time without a lock.
		p.Net.Observer.Count(func(n *observe.Counters) { n.KeyReuses++ })
		p.showWaiting(d)
		p.requestRetry(d)
		return
	case err != nil:
		p.Net.Log.Debug("phone could not decrypt", "id", stanza.Attr(&d.Node, "id"), "err", err)
		p.showWaiting(d)
		p.requestRetry(d)
		return
	}
	if p.journal.known(d) {
		// The same message, encrypted again.
		p.handleDuplicate(d)
		return
	}
	var content waE2E.Message
	if err = proto.Unmarshal(plaintext, &content); err != nil {
		p.Net.Log.Debug("phone could not read a message", "id", stanza.Attr(&d.Node, "id"), "err", err)
		return
	}
	if stanza.Attr(&d.Node, "category") == stanza.CategoryPeer {
		// A request of a linked device to its phone, not a message that people see.
		p.confirmDelivery(d)
		p.companions.receivePeer(d, &content)
		return
	}
	p.storeSenderKey(d, &content)
	p.runScript(d, p.record(d, &content))
}

// decrypt decrypts a message. A group message may come with the sender's key, which is encrypted for this phone alone.
func (p *receiver) decrypt(d accounts.Delivery) ([]byte, error) {
	parts := d.Node.GetChildrenByTag("enc")
	if len(parts) == 0 {
		return nil, errors.New("no enc child")
	}
	// Sessions are always named by hidden id, whichever address the stanza has, so that a device has one session.
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
		p.Net.Capture.Plaintext(capture.Plaintext{
			Phone: p.Account.Number, Device: d.From.Account.JID(d.From.Device), ID: stanza.Attr(&d.Node, "id"), Type: kind, Data: plaintext,
		})
		if !grouped && i+1 < len(parts) {
			var key waE2E.Message
			if err = proto.Unmarshal(plaintext, &key); err != nil {
				return nil, fmt.Errorf("read a sender key: %w", err)
			}
			p.storeSenderKey(d, &key)
		}
	}
	return plaintext, nil
}

// storeSenderKey stores the key with which a sender encrypts for a group.
func (p *receiver) storeSenderKey(d accounts.Delivery, content *waE2E.Message) {
	key := content.GetSenderKeyDistributionMessage()
	if key == nil || d.Group.IsEmpty() || key.GetGroupID() != d.Group.String() {
		return
	}
	if err := p.Sig.ProcessSenderKey(d.Group, d.From.Account.LIDJID(d.From.Device), key.GetAxolotlSenderKeyDistributionMessage()); err != nil {
		p.Net.Log.Debug("phone could not use a sender key", "err", err)
	}
}

// showWaiting adds a placeholder for a message that cannot be decrypted, unless its sender marked it to be hidden.
func (p *receiver) showWaiting(d accounts.Delivery) {
	if hidden(&d.Node) || stanza.Attr(&d.Node, "category") == stanza.CategoryPeer || p.journal.known(d) {
		return
	}
	in := p.chatOf(d)
	if recipient := stanza.JID(&d.Node, "recipient"); d.From.Account == p.Account && !recipient.IsEmpty() {
		in = p.destination(recipient.String())
	}
	message := p.received(d, in)
	message.Kind = KindWaiting
	p.journal.enter(message)
}

// hidden reports whether each ciphertext of a message is marked to be hidden if it cannot be decrypted.
func hidden(node *waBinary.Node) bool {
	parts := node.GetChildrenByTag("enc")
	return !slices.ContainsFunc(parts, func(enc waBinary.Node) bool { return stanza.Attr(&enc, "decrypt-fail") != "hide" })
}

// record adds a message to the journal. A copy of a message that the account's other devices sent has the chat in its
// content.
func (p *receiver) record(d accounts.Delivery, content *waE2E.Message) Message {
	in := p.chatOf(d)
	if sent := content.GetDeviceSentMessage(); sent != nil && d.From.Account == p.Account {
		if d.Group.IsEmpty() {
			in = p.destination(sent.GetDestinationJID())
		}
		content = sent.GetMessage()
	}
	message := p.received(d, in)
	p.codec.readContent(content, message)
	if message.Kind == KindPoll && !asksPoll(&d.Node) {
		message.Content = Content{Kind: KindUnknown}
	}
	if raw, err := proto.Marshal(content); err == nil {
		message.raw = raw
	}
	p.heed(content, message)
	seen := *message // before others can change it
	p.journal.enter(message)
	return seen
}

// asksPoll reports whether a stanza says that its message asks a poll. Phones show no other poll.
func asksPoll(node *waBinary.Node) bool {
	meta := node.GetChildByTag("meta")
	return stanza.Attr(node, "type") == "poll" && stanza.Attr(&meta, "polltype") == "creation"
}

// received returns a message of a chat as its stanza describes it, without content.
func (p *receiver) received(d accounts.Delivery, in groups.Chat) *Message {
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
		Hidden:  hidden(&d.Node),
		Copies:  1,
		sender:  stanza.JID(&d.Node, "from"),
		author:  d.From.Account,
		chat:    in,
	}
	if !d.Group.IsEmpty() {
		message.To, message.sender = in.JID(), stanza.JID(&d.Node, "participant")
	}
	if in.Shared == nil && !d.Group.IsEmpty() {
		message.To, message.Broadcast, message.list = p.Account.JID(0), true, d.Group
	}
	if message.FromMe {
		message.To, message.Status = in.JID(), StatusSent
	}
	return message
}

// destination returns the chat that a copy of an own message belongs to, or the account's own chat if that is unknown.
func (p *receiver) destination(name string) groups.Chat {
	if to, err := p.Net.Groups.Chat(name); err == nil {
		return to
	}
	return groups.Chat{Account: p.Account}
}

// handleDuplicate counts a further copy and confirms its delivery: the sender may have sent it again because it missed
// the first receipt.
func (p *receiver) handleDuplicate(d accounts.Delivery) {
	p.Net.Observer.Count(func(n *observe.Counters) { n.Duplicates++ })
	p.journal.countCopy(d)
	if p.Script() != ScriptSilent {
		p.confirmDelivery(d)
	}
}

// runScript carries out the phone's script for a new message.
func (p *receiver) runScript(d accounts.Delivery, message Message) {
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
	// A message that changes another one is shown there and not read by itself.
	if message.FromMe || message.Target != "" || script == ScriptDeliver || message.chat.IsStatuses() {
		// Whoever reads a status tells its author. People do that by looking at it: MarkRead.
		return
	}
	p.read(message)
	if script == ScriptEcho && !d.From.Scripted {
		p.echo(message)
	}
}

// echo sends the content of a message back.
func (p *receiver) echo(message Message) {
	out := Outgoing{To: message.Chat.String(), Kind: message.Kind, Text: message.Text, Location: message.Location, Contact: message.Contact, scripted: true}
	if message.Media != nil {
		data, err := message.Media.Bytes()
		if err != nil {
			p.Net.Log.Debug("phone could not download a file to echo", "err", err)
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
		p.Net.Log.Warn("phone could not echo a message", "err", err)
	}
}

// MarkRead marks a received message as read and tells the sender. It may be called again. It fails with
// ErrUnknownMessage.
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

// Script returns what the phone does with received messages.
func (p *receiver) Script() Script {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.script
}

// SetScript changes the script, from the next message on. It fails with ErrBadScript.
func (p *receiver) SetScript(script Script) error {
	if err := checkScript(script); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Account.Changed.Store(true)
	p.script = script
	return nil
}

// Delay returns the delay of ScriptSlow.
func (p *receiver) Delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// SetDelay changes the delay of ScriptSlow. It fails with ErrBadDelay.
func (p *receiver) SetDelay(delay time.Duration) error {
	if err := checkDelay(delay); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Account.Changed.Store(true)
	p.delay = delay
	return nil
}
