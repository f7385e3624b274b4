package sandbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/sandbox/internal/signal"
)

// sentMessage is kept for receivers who ask to encrypt it anew.
type sentMessage struct {
	chat *account
	// plain is for the other side, copied for the account's own devices.
	plain, copied []byte
}

// maxSent bounds how many sent messages can be asked for again.
const maxSent = 1000

// SendText sends a text from the phone to a phone number or JID: encrypted for every device of the receiver,
// with a copy for every device linked to the phone. It returns the message id. Receivers who are away get it
// when they come back.
func (p *Phone) SendText(ctx context.Context, to, text string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if text == "" || len(text) > maxText || !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: expected 1 to %d bytes of UTF-8", ErrBadText, maxText)
	}
	target, err := p.srv.contact(to)
	if err != nil {
		return "", err
	}
	return p.send(target, text, false)
}

// contact finds an account by number or JID.
func (s *Server) contact(name string) (*account, error) {
	jid := types.NewJID(strings.TrimPrefix(name, "+"), types.DefaultUserServer)
	if strings.Contains(name, "@") {
		parsed, err := types.ParseJID(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is neither a number nor a JID", ErrUnknownContact, name)
		}
		jid = parsed
	}
	if account := s.dir.find(jid); account != nil {
		return account, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownContact, name)
}

func (p *Phone) send(target *account, text string, scripted bool) (string, error) {
	content := &waE2E.Message{Conversation: proto.String(text)}
	message := sentMessage{chat: target}
	var err error
	if message.plain, err = proto.Marshal(content); err != nil {
		return "", fmt.Errorf("sandbox: encoding a message: %w", err)
	}
	message.copied, err = proto.Marshal(&waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{
		DestinationJID: proto.String(target.lidJID(0).String()),
		Message:        content,
	}})
	if err != nil {
		return "", fmt.Errorf("sandbox: encoding a message: %w", err)
	}
	id := newMessageID()
	// One message at a time, so that they arrive in the order of the calls.
	p.sending.Lock()
	defer p.sending.Unlock()
	p.keep(id, message)
	p.enter(messageKey{p.account, id}, &Message{
		ID: id, From: p.account.jid(0), To: target.jid(0), Chat: target.jid(0), FromMe: true,
		Text: text, Type: "text", Time: time.Now(), Status: StatusSent, Copies: 1,
	})
	node := waBinary.Node{
		Tag:     "message",
		Attrs:   waBinary.Attrs{"id": id, "to": target.lidJID(0), "type": "text"},
		Content: []waBinary.Node{{Tag: "participants", Content: p.encryptForAll(message)}},
	}
	from := origin{account: p.account, scripted: scripted}
	if told := p.srv.routeMessage(from, &node); told.code != 0 {
		return "", fmt.Errorf("sandbox: the server refused the message: error %d", told.code)
	}
	return id, nil
}

func (p *Phone) keep(id string, message sentMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[id] = message
	p.order = append(p.order, id)
	if len(p.order) > maxSent {
		delete(p.sent, p.order[0])
		p.order = p.order[1:]
	}
}

// encryptForAll encrypts a message for the devices of the chat and the phone's own. A device that cannot be
// reached is left out, as phones do it.
func (p *Phone) encryptForAll(message sentMessage) []waBinary.Node {
	type copyFor struct {
		jid       types.JID
		plaintext []byte
	}
	var copies []copyFor
	if message.chat != p.account {
		copies = append(copies, copyFor{message.chat.lidJID(0), message.plain})
		for _, dev := range p.srv.dir.devicesOf(message.chat) {
			copies = append(copies, copyFor{message.chat.lidJID(dev.id), message.plain})
		}
	}
	for _, dev := range p.srv.dir.devicesOf(p.account) {
		copies = append(copies, copyFor{p.account.lidJID(dev.id), message.copied})
	}
	nodes := make([]waBinary.Node, 0, len(copies))
	for _, c := range copies {
		enc, err := p.encrypt(c.jid, c.plaintext)
		if err != nil {
			p.srv.log.Warn("phone could not encrypt for a device", "err", err)
			continue
		}
		nodes = append(nodes, waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": c.jid}, Content: []waBinary.Node{enc}})
	}
	return nodes
}

// encrypt encrypts for one device, starting a session if there is none.
func (p *Phone) encrypt(jid types.JID, plaintext []byte) (waBinary.Node, error) {
	if !p.sig.HasSession(jid) {
		bundle, err := p.srv.bundleOf(jid)
		if err != nil {
			return waBinary.Node{}, err
		}
		if err = p.sig.ProcessBundle(jid, bundle); err != nil {
			return waBinary.Node{}, err
		}
	}
	kind, ciphertext, err := p.sig.Encrypt(jid, signal.Pad(plaintext))
	if err != nil {
		return waBinary.Node{}, err
	}
	return waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": kind}, Content: ciphertext}, nil
}

// bundleOf takes a key bundle of a device, as the server gives it to clients.
func (s *Server) bundleOf(jid types.JID) (signal.Bundle, error) {
	account := s.dir.find(jid)
	if account == nil {
		return signal.Bundle{}, fmt.Errorf("%w: %s", ErrUnknownContact, jid)
	}
	if jid.Device == 0 {
		return account.phone.sig.Bundle()
	}
	dev := s.dir.device(account, jid.Device)
	if dev == nil {
		return signal.Bundle{}, fmt.Errorf("%w: %s", ErrUnknownDevice, jid)
	}
	signed, oneTime := dev.takeBundle()
	s.noticePreKeys(dev)
	return signalBundle(dev.registrationID, dev.identity, signed, oneTime), nil
}

func signalBundle(registrationID [4]byte, identity [32]byte, signed signedKey, oneTime *oneTimeKey) signal.Bundle {
	bundle := signal.Bundle{
		RegistrationID: binary.BigEndian.Uint32(registrationID[:]),
		Identity:       identity,
		SignedPreKeyID: idOf(signed.id),
		SignedPreKey:   signed.value,
		Signature:      signed.signature,
	}
	if oneTime != nil {
		bundle.PreKeyID = idOf(oneTime.id)
		bundle.PreKey = &oneTime.value
	}
	return bundle
}

func idOf(raw [3]byte) uint32 { return uint32(raw[0])<<16 | uint32(raw[1])<<8 | uint32(raw[2]) }

// sendAgain encrypts a sent message anew for the device that could not decrypt it.
func (p *Phone) sendAgain(d delivery) {
	retry := d.node.GetChildByTag("retry")
	id := attr(&retry, "id")
	count, err := strconv.Atoi(attr(&retry, "count"))
	p.mu.Lock()
	message, ok := p.sent[id]
	p.mu.Unlock()
	if err != nil || !ok || count > maxRetries {
		return
	}
	device := d.from.account.lidJID(d.from.device)
	if bundle, ok := retryBundle(&d.node); ok {
		if err = p.sig.ProcessBundle(device, bundle); err != nil {
			p.srv.log.Warn("phone got bad keys in a retry receipt", "err", err)
			return
		}
	} else {
		// The session is out of step; the next encrypt starts a new one.
		p.sig.DeleteSession(device)
	}
	plaintext := message.plain
	attrs := waBinary.Attrs{"id": id, "to": device, "type": "text", "device_fanout": "false"}
	if d.from.account == p.account {
		plaintext = message.copied
		attrs["recipient"] = message.chat.lidJID(0)
	}
	enc, err := p.encrypt(device, plaintext)
	if err != nil {
		p.srv.log.Warn("phone could not encrypt a message again", "err", err)
		return
	}
	enc.Attrs["count"] = strconv.Itoa(count)
	node := waBinary.Node{Tag: "message", Attrs: attrs, Content: []waBinary.Node{enc}}
	p.srv.routeMessage(origin{account: p.account}, &node)
}

// retryBundle reads the keys that a retry receipt may carry.
func retryBundle(node *waBinary.Node) (signal.Bundle, bool) {
	keys, ok := node.GetOptionalChildByTag("keys")
	if !ok {
		return signal.Bundle{}, false
	}
	var registrationID [4]byte
	var identity [32]byte
	skey := keys.GetChildByTag("skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !copyChild(node, "registration", registrationID[:]) || !copyChild(&keys, "identity", identity[:]) {
		return signal.Bundle{}, false
	}
	var oneTime *oneTimeKey
	if key, ok := keys.GetOptionalChildByTag("key"); ok {
		oneTime = new(oneTimeKey)
		if !copyChild(&key, "id", oneTime.id[:]) || !copyChild(&key, "value", oneTime.value[:]) {
			return signal.Bundle{}, false
		}
	}
	return signalBundle(registrationID, identity, signed, oneTime), true
}
