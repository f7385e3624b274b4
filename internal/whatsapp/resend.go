package whatsapp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
)

const (
	// catchUpTimeout bounds how long a message, which WhatsApp has acknowledged, is sent on to the devices that missed it.
	catchUpTimeout = 20 * time.Second
	// maxDisputed bounds for how many chats the hash is remembered on which we cannot agree with WhatsApp.
	maxDisputed = 1000
)

// catchUp sends the message in flight to the devices that it missed. If a message left for another list of devices than
// WhatsApp has, the acknowledgement carries the hash of WhatsApp's list. Then the lists are requested again, and those
// devices that are new get the same message under the same id. WhatsApp Web does the same (WAWebResendUserMsg,
// WAWebResendGroupMsg). whatsmeow drops one list, which helps the next message only.
//
// If the connection or the database ends meanwhile, catchUp returns the error, and the message is repeated on the next
// connection, with new lists. The other failures are logged: WhatsApp has the message, and repeating it for everybody
// would not help.
func (s *sending) catchUp(ctx context.Context, id string) error {
	stanza, hash := s.flight.outcome()
	if stanza == nil || hash == "" {
		return nil
	}
	to, _ := stanza.Attrs["to"].(types.JID)
	reached := copiesOf(stanza)
	if hash == stanza.Attrs["phash"] || hash == listHash(append(s.ownDevice(to), reached...)) || s.disputed[to] == hash {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	sent, err := s.reachRest(ctx, stanza, to, id, hash, reached)
	switch code := session.CodeOf(err); {
	case err == nil:
		s.run.log.Debug("devices missed a message", "devices", sent)
		return nil
	case code == session.CodeDisconnected, s.storeFailure() != nil, codes.IsStore(err):
		return err
	default:
		s.run.log.Warn("devices that are new to a chat miss a message", "err", err)
		return nil
	}
}

// ownDevice returns our own device as a list of devices of the chat has it. whatsmeow sends it no copy.
func (s *sending) ownDevice(to types.JID) []types.JID {
	pn, lid := s.account.addresses()
	if to.Server == types.DefaultUserServer {
		return []types.JID{pn}
	}
	return []types.JID{lid}
}

// reachRest requests the lists of devices again and sends the message to those that it has not reached. It returns their
// number.
func (s *sending) reachRest(ctx context.Context, stanza *waBinary.Node, to types.JID, id, hash string, reached []types.JID) (int, error) {
	devices, err := s.currentDevices(ctx, to)
	if err != nil {
		return 0, codes.RequestError(opSend, s.run.Session, err)
	}
	s.settle(to, hash, listHash(devices))
	pn, lid := s.account.addresses()
	missed := slices.DeleteFunc(devices, func(device types.JID) bool {
		return device == pn || device == lid || slices.Contains(reached, device)
	})
	if len(missed) == 0 {
		return 0, nil
	}
	if err = s.sendCopies(ctx, stanza, to, id, missed); err != nil {
		return 0, codes.RequestError(opSend, s.run.Session, err)
	}
	return len(missed), nil
}

// currentDevices requests the devices of a chat's members and of the own account.
func (s *sending) currentDevices(ctx context.Context, to types.JID) ([]types.JID, error) {
	_, own := s.account.addresses()
	members := []types.JID{to, own.ToNonAD()}
	if to.Server == types.GroupServer {
		group, err := internals(s.wa).GetCachedGroupData(ctx, to) // at such an acknowledgement whatsmeow has dropped the members
		if err != nil {
			return nil, err
		}
		members = group.Members
	}
	s.dropLists(ctx, members...)
	devices, err := s.wa.GetUserDevices(ctx, members)
	if err != nil || to.Server != types.GroupServer {
		return devices, err
	}
	return slices.DeleteFunc(devices, func(jid types.JID) bool { // as whatsmeow's prepareMessageNode does
		return jid.Server == types.HostedServer || jid.Server == types.HostedLIDServer
	}), nil
}

// settle remembers that even the list that we just got has another hash than WhatsApp says. Without it, each further
// message to the chat would request all the lists again.
func (s *sending) settle(to types.JID, theirs, ours string) {
	if theirs == ours {
		delete(s.disputed, to)
		return
	}
	if s.disputed == nil || len(s.disputed) >= maxDisputed {
		s.disputed = make(map[types.JID]string)
	}
	s.disputed[to] = theirs
}

// sendCopies sends a message that has left in stanza to further devices, and waits for the acknowledgement.
func (s *sending) sendCopies(ctx context.Context, stanza *waBinary.Node, to types.JID, id string, devices []types.JID) error {
	// The message as it left is stored for retries. whatsmeow may have changed the one in memory since.
	_, plain, err := s.wa.Store.EventBuffer.GetOutgoingEvent(ctx, to, types.EmptyJID, id)
	if err != nil {
		return codes.StoreError(opSend, s.run.Session, err)
	}
	own, err := ownCopy(plain, to)
	if err != nil {
		return err
	}
	return s.withRatchet(ctx, func(ctx context.Context) error {
		copies, identity, err := internals(s.wa).EncryptMessageForDevices(ctx, devices, id, plain, own, copyAttrs(stanza))
		if err != nil || len(copies) == 0 {
			return err
		}
		again := messageAgain(stanza, copies)
		if identity {
			again.Content = append(again.GetChildren(), internals(s.wa).MakeDeviceIdentityNode())
		}
		return s.exchange(ctx, id, again)
	})
}

// ownCopy returns a message as the own account's other devices get it.
func ownCopy(plain []byte, to types.JID) ([]byte, error) {
	var content waE2E.Message
	if err := proto.Unmarshal(plain, &content); err != nil {
		return nil, err
	}
	return proto.Marshal(&waE2E.Message{
		DeviceSentMessage:  &waE2E.DeviceSentMessage{DestinationJID: proto.String(to.String()), Message: &content},
		MessageContextInfo: content.GetMessageContextInfo(),
	})
}

// copyAttrs returns the attributes that each copy of a message has besides the version and the type of its encryption.
func copyAttrs(stanza *waBinary.Node) waBinary.Attrs {
	attrs := waBinary.Attrs{}
	list := stanza.GetChildByTag("participants")
	for _, node := range append(list.GetChildrenByTag("to"), *stanza) {
		if enc, is := node.GetOptionalChildByTag("enc"); is {
			maps.Copy(attrs, enc.Attrs)
		}
	}
	delete(attrs, "v")
	delete(attrs, "type")
	return attrs
}

// messageAgain returns the stanza that sends a message again, to the devices of copies only. What all members of a group
// share stays empty: each copy contains the whole message.
func messageAgain(first *waBinary.Node, copies []waBinary.Node) waBinary.Node {
	again := waBinary.Node{Tag: first.Tag, Attrs: maps.Clone(first.Attrs)}
	delete(again.Attrs, "phash")
	again.Attrs["device_fanout"] = "false"
	content := []waBinary.Node{{Tag: "participants", Content: copies}}
	for _, part := range first.GetChildren() {
		switch part.Tag {
		case "participants", "device-identity":
		case "enc":
			content = append(content, waBinary.Node{Tag: part.Tag, Attrs: part.Attrs})
		default:
			content = append(content, part)
		}
	}
	again.Content = content
	return again
}

// exchange sends a message stanza and waits for its acknowledgement. It does not take back the wait if it gives up, as
// whatsmeow does: the acknowledgement may be about to be handed over, see acknowledge.
func (s *sending) exchange(ctx context.Context, id string, node waBinary.Node) error {
	acknowledged := internals(s.wa).WaitResponse(id)
	if err := internals(s.wa).SendNode(ctx, node); err != nil {
		return err
	}
	select {
	case answer := <-acknowledged:
		if answer == nil || answer.Tag != "ack" {
			return whatsmeow.ErrNotConnected
		}
		if code := answer.AttrGetter().OptionalInt("error"); code != 0 {
			return fmt.Errorf("%w %d", whatsmeow.ErrServerReturnedError, code)
		}
		return nil
	case <-s.run.closing:
		return whatsmeow.ErrNotConnected
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withRatchet runs a send of whatsmeow's with the locks of the Signal sessions and one commit before the bytes leave.
func (s *sending) withRatchet(ctx context.Context, send func(ctx context.Context) error) error {
	if s.ratchet == nil {
		return send(ctx)
	}
	return s.ratchet.Send(ctx, send)
}
