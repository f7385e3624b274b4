package whatsapp

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/inbound"
	"wasup/internal/whatsapp/outbound"
	"wasup/internal/whatsapp/ratchet"
	"wasup/internal/whatsapp/timers"
)

const opSend = "send"

// maxAskedGroups bounds the groups that a run remembers to have asked about.
const maxAskedGroups = 10_000

// sending sends messages, one at a time.
type sending struct {
	run       *run
	account   *account
	wa        *whatsmeow.Client
	ratchet   *ratchet.Ratchet // nil if the run began without a linked device; such a run neither sends nor receives
	messaging *messaging
	lids      store.LIDStore
	files     Files
	uploads   *uploads
	// composer returns what composes a message. translator returns what reads the stored messages.
	composer   func() *outbound.Composer
	translator func() *inbound.Translator
	turn       chan struct{} // a token that the one send in flight holds
	backlog    *backlog      // what is read before the first message leaves
	flight     flight
	marking    marking
	timers     *timers.Keeper
	asked      map[types.JID]bool   // groups whose timer WhatsApp was asked for in this run; mu guards it
	disputed   map[types.JID]string // the holder of turn uses it; see settle

	mu      sync.Mutex
	awaited map[string]struct{} // ids of the messages whose acknowledgement an attempt waits for
}

// send is Client.Send.
func (s *sending) send(ctx context.Context, msg message.Outgoing) (message.Ack, error) {
	ack, err := s.attempt(ctx, msg)
	var left *leftError
	unsent := err != nil && !errors.As(err, &left)
	if code := session.CodeOf(err); code == session.CodeDisconnected || code == session.CodeAckOverdue {
		// If the database has failed, the run receives nothing more and drops what it writes. Then WhatsApp's silence says
		// nothing about the message, so the database's error is returned. The failure may have ended the run, and ctx with
		// it, at any step of the attempt.
		if broken := s.storeFailure(); broken != nil {
			err = broken
		}
	}
	if unsent {
		err = &message.UnsentError{Err: err}
	}
	return ack, err
}

// leftError is the error of a message whose stanza has left, or may have.
type leftError struct{ error }

func (e *leftError) Unwrap() error { return e.error }

// attempt checks the message and makes one attempt to send it.
func (s *sending) attempt(ctx context.Context, msg message.Outgoing) (message.Ack, error) {
	if err := msg.Check(); err != nil {
		return message.Ack{}, s.refusedMessage(err)
	}
	if err := s.backlog.wait(ctx); err != nil {
		return message.Ack{}, err
	}
	to, err := s.messaging.recipientOf(ctx, msg.To)
	if err != nil {
		return message.Ack{}, err
	}
	defer s.awaitReceipt(msg.ID)()
	if err := s.storeFailure(); err != nil {
		return message.Ack{}, err
	}
	if to.chat.Server == types.NewsletterServer {
		return s.reactToPost(ctx, to.chat, msg)
	}
	ack, err := s.deliver(ctx, to.chat, msg)
	if to.chat.Server != types.GroupServer && isUnreachable(err) {
		return s.deliverAgain(ctx, to, msg, err)
	}
	return ack, err
}

// deliverAgain makes sure of the address of a person who cannot be reached. What is remembered of the devices and of the
// number may be out of date: an account that was deleted and made again has another LID, and nobody is told. So WhatsApp
// is asked again, about the number unless it was just now, and the message is sent once more.
func (s *sending) deliverAgain(ctx context.Context, to recipient, msg message.Outgoing, err error) (ack message.Ack, _ error) {
	now := to
	s.dropLists(ctx, to.chat)
	if to.number != "" && !to.asked {
		var lookUp error
		if now, lookUp = s.messaging.askRecipient(ctx, to.number); lookUp != nil {
			return message.Ack{}, lookUp
		}
	}
	if now.chat != to.chat || !isNoAccount(err) { // otherwise WhatsApp has just said that there is no device
		ack, err = s.deliver(ctx, now.chat, msg)
	}
	if isNoAccount(err) && now.unsure != nil {
		err = s.failed(now.unsure)
	}
	return ack, err
}

// deliver uploads the message's file if it has one, sends the message and waits for WhatsApp's acknowledgement.
func (s *sending) deliver(ctx context.Context, to types.JID, msg message.Outgoing) (message.Ack, error) {
	// Compose first, before waiting for other sends: an upload may take minutes.
	content, err := s.compose(ctx, to, msg)
	if err != nil {
		return message.Ack{}, err
	}
	// whatsmeow sends one message at a time, too, but a context cannot interrupt the wait for its lock.
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return message.Ack{}, s.failed(ctx.Err())
	case <-s.run.closing:
		return message.Ack{}, s.failed(whatsmeow.ErrNotConnected)
	}
	if ctx.Err() != nil {
		return message.Ack{}, s.failed(ctx.Err())
	}
	ctx, done := requestContext(ctx)
	defer done()
	if err = s.reachable(ctx, to); err != nil {
		return message.Ack{}, s.failed(err)
	}
	resp, err := s.transmit(ctx, to, content, whatsmeow.SendRequestExtra{ID: msg.ID})
	if errors.Is(err, whatsmeow.ErrNoSession) && !s.run.state().answers() {
		err = whatsmeow.ErrNotConnected // whatsmeow requested the recipient's keys, but its error does not say why none came
	}
	if err != nil {
		return message.Ack{}, s.failed(err)
	}
	return message.Ack{MessageID: resp.ID, At: inbound.Moment(resp.Timestamp)}, nil
}

// compose puts the message into WhatsApp's format. It may ask WhatsApp about the group and upload the message's file.
func (s *sending) compose(ctx context.Context, chat types.JID, msg message.Outgoing) (*waE2E.Message, error) {
	content, err := s.composer().Compose(ctx, chat, msg)
	var known *session.Error
	if err == nil || errors.As(err, &known) {
		return content, err
	}
	return nil, s.failed(err)
}

// transmit sends a message to all devices of its recipients. The caller holds turn.
func (s *sending) transmit(ctx context.Context, to types.JID, msg *waE2E.Message, extra whatsmeow.SendRequestExtra) (resp whatsmeow.SendResponse, err error) {
	defer s.flight.begin(extra.ID)()
	marks := outbound.MarksOf(msg)
	if marks.Addressing, err = s.addressing(ctx, to); err != nil {
		return resp, err
	}
	s.marking.expect(extra.ID, marks)
	err = s.withRatchet(ctx, func(ctx context.Context) (err error) {
		if marks.Status { // devices ask for it again in that chat
			if err = internals(s.wa).AddRecentMessage(ctx, types.StatusBroadcastJID, extra.ID, msg, nil); err != nil {
				return err
			}
		}
		resp, err = s.wa.SendMessage(ctx, to, msg, extra)
		return err
	})
	if err == nil {
		err = s.catchUp(ctx, extra.ID)
	}
	if stanza, _ := s.flight.outcome(); err != nil && stanza != nil {
		err = &leftError{err}
	}
	return resp, err
}

// addressing returns the mode of a group that addresses people by number, and "" for other groups, of which whatsmeow
// tells the mode itself, and for people. whatsmeow requests a group before a message to it, and keeps the answer.
func (s *sending) addressing(ctx context.Context, to types.JID) (types.AddressingMode, error) {
	if to.Server != types.GroupServer {
		return "", nil
	}
	group, err := groupOf(ctx, s.wa, to)
	if err != nil || group.byLID {
		return "", err
	}
	return types.AddressingModePN, nil
}

// expectRetry prepares a message that a device could not decrypt to be sent again to that device.
func (s *sending) expectRetry(receipt *events.Receipt, id types.MessageID, _ int, msg *waE2E.Message) bool {
	marks := outbound.MarksOf(msg)
	switch {
	case !receipt.IsGroup:
	case receipt.Sender.Server == types.HiddenUserServer:
		marks.Addressing = types.AddressingModeLID
	default:
		marks.Addressing = types.AddressingModePN
	}
	s.marking.expect(id, marks)
	return true
}

// announcements reports whether a chat is the group for the announcements of a community. whatsmeow requests a group
// before the first message to it, and keeps the answer.
func (s *sending) announcements(ctx context.Context, chat types.JID) (bool, error) {
	if chat.Server != types.GroupServer {
		return false, nil
	}
	ctx, done := requestContext(ctx)
	defer done()
	group, err := groupOf(ctx, s.wa, chat)
	if err != nil {
		return false, s.failed(err)
	}
	return group.announcements, nil
}

// timerOf returns the disappearing timer of a chat. The first message of a run to a group asks WhatsApp about the group, as
// whatsmeow would.
func (s *sending) timerOf(ctx context.Context, chat types.JID) (message.Timer, error) {
	if chat.Server == types.GroupServer && !s.hasAsked(chat) {
		if err := s.askTimer(ctx, chat); err != nil {
			return message.Timer{}, s.failed(err)
		}
	}
	timer, err := s.timers.ChatOf(ctx, chat)
	switch {
	case err != nil && ctx.Err() != nil:
		return message.Timer{}, s.failed(ctx.Err())
	case err != nil:
		return message.Timer{}, codes.StoreError(opSend, s.run.Session, err)
	default:
		return timer, nil
	}
}

func (s *sending) hasAsked(group types.JID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[group]
}

// forgetGroup makes the next message to a group that the account has joined, perhaps again, ask about it.
func (s *sending) forgetGroup(evt any) {
	if joined, is := evt.(*events.JoinedGroup); is {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asked, joined.JID)
	}
}

func (s *sending) askTimer(ctx context.Context, group types.JID) error {
	asking, done := requestContext(ctx)
	info, err := s.wa.GetGroupInfo(asking, group)
	done()
	if err != nil {
		return err
	}
	if err = s.timers.SetGroup(ctx, group, info.GroupEphemeral); err != nil {
		return codes.StoreError(opSend, s.run.Session, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil || len(s.asked) >= maxAskedGroups {
		s.asked = make(map[types.JID]bool)
	}
	s.asked[group] = true
	return nil
}

// awaitReceipt lets a receipt for the message end its attempt, until the returned function is called.
func (s *sending) awaitReceipt(id string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.awaited == nil {
		s.awaited = make(map[string]struct{}, 1)
	}
	s.awaited[id] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.awaited, id)
	}
}

// receiptKept ends the attempts whose messages a stored receipt names. A receipt counts as WhatsApp's acknowledgement,
// which may have been lost. So the messages behind need not wait for a time limit and a new connection.
func (s *sending) receiptKept(receipt *events.Receipt) {
	for _, id := range receipt.MessageIDs {
		s.mu.Lock()
		_, awaited := s.awaited[id] // the sender of the receipt chose the ids, and our requests have ids, too
		s.mu.Unlock()
		if awaited {
			acknowledge(s.run.ctx, s.wa, id, inbound.Moment(receipt.Timestamp))
		}
	}
}

// storeFailure returns the database failure after which this run gets no answers any more, or nil.
func (s *sending) storeFailure() error {
	if failure := s.run.state().failure; failure != nil {
		return codes.StoreError(opSend, s.run.Session, failure)
	}
	return nil
}

// refusedMessage adds the operation and the session to the error of an invalid message.
func (s *sending) refusedMessage(err error) error {
	var known *session.Error
	if errors.As(err, &known) {
		known.Op, known.Session = opSend, s.run.Session
	}
	return err
}

// reachable checks that the recipient has a device. whatsmeow then finds the devices in its cache. Without this check,
// a message to an address without devices would be encrypted for our own phone only, acknowledged, and read by nobody.
// An address whose LID is unknown is left to whatsmeow, which resolves it first and fails if there is none.
func (s *sending) reachable(ctx context.Context, to types.JID) error {
	if to.Server == types.GroupServer {
		return nil // whatsmeow requests the members, of whom none needs a device
	}
	lid := to
	if to.Server == types.DefaultUserServer {
		var err error
		if lid, err = s.lids.GetLIDForPN(ctx, to); err != nil {
			return codes.StoreError(opSend, s.run.Session, err)
		}
		if lid.IsEmpty() {
			return nil
		}
	}
	wanted := []types.JID{lid}
	_, own := s.account.addresses()
	if own = own.ToNonAD(); !own.IsEmpty() && own != lid {
		wanted = append(wanted, own)
	}
	devices, err := s.wa.GetUserDevices(ctx, wanted)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(devices, func(device types.JID) bool { return device.User == lid.User }) {
		return codes.ErrNoDevices
	}
	return nil
}

// failed returns the error of a failed send, and posts it to the session's machine if the account is restricted.
func (s *sending) failed(err error) error {
	failure := codes.RequestError(opSend, s.run.Session, err)
	if failure.Code == session.CodeRestricted {
		s.run.post(session.Input{Kind: session.SendRestricted, Code: failure.Status, Detail: failure.Message})
	}
	return failure
}
