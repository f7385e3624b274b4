package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

func (d *device) sendText(to types.JID, text string, extra ...whatsmeow.SendRequestExtra) string {
	d.t.Helper()
	response, err := d.cli.SendMessage(testContext(d.t), to, &waE2E.Message{Conversation: proto.String(text)}, extra...)
	if err != nil {
		d.t.Fatal(err)
	}
	return response.ID
}

func hasText(text string) func(*events.Message) bool {
	return func(m *events.Message) bool { return m.Message.GetConversation() == text }
}

func waitText(t *testing.T, phone *sandbox.Phone, text string) phones.Message {
	t.Helper()
	message, err := phone.WaitMessage(testContext(t), func(m phones.Message) bool { return m.Text == text })
	if err != nil {
		t.Fatalf("%q did not arrive: %v", text, err)
	}
	return message
}

func waitStatus(t *testing.T, phone *sandbox.Phone, id string, status phones.Status) {
	t.Helper()
	if _, err := phone.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && m.Status == status }); err != nil {
		t.Fatalf("%s never became %s: %v", id, status, err)
	}
}

func receiptOf(id string, kind types.ReceiptType) func(*events.Receipt) bool {
	return func(r *events.Receipt) bool {
		return r.Type == kind && len(r.MessageIDs) > 0 && r.MessageIDs[0] == id
	}
}

// linked is a server with a phone, a client that is linked to it, and a second phone as contact.
func linked(t *testing.T, script phones.Script) (*sandbox.Server, *sandbox.Phone, *device, *sandbox.Phone) {
	t.Helper()
	server := newServer(t, sandbox.Config{})
	// The own phone sends no receipts, so that tests see only the expected ones.
	own, peer := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, script)
	client := newDevice(t, server)
	client.pair(own)
	return server, own, client, peer
}

func noUnknownQueries(t *testing.T, server *sandbox.Server) {
	t.Helper()
	if unknown := server.Counters().UnknownQueries; len(unknown) != 0 {
		t.Errorf("the server had no answer for %v", unknown)
	}
}

func TestAPhoneDecryptsAndReadsWhatAClientSends(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptRead)

	id := client.sendText(peer.JID(), "hello")

	got := waitText(t, peer, "hello")
	if got.ID != id || got.From != own.JID() || got.Chat != own.JID() || got.FromMe || got.Copies != 1 {
		t.Fatalf("the phone has %+v", got)
	}
	wait(client, 0, receiptOf(id, types.ReceiptTypeDelivered))
	wait(client, 0, receiptOf(id, types.ReceiptTypeRead))
	waitStatus(t, peer, id, phones.StatusRead)

	// The own phone shows the message of the linked device in the right chat.
	mirrored := waitText(t, own, "hello")
	if !mirrored.FromMe || mirrored.Chat != peer.JID() || mirrored.Device == 0 {
		t.Fatalf("the own phone has %+v", mirrored)
	}
	waitStatus(t, own, id, phones.StatusRead)
	if duplicates := server.Counters().Duplicates; duplicates != 0 {
		t.Errorf("%d duplicates", duplicates)
	}
	noUnknownQueries(t, server)
}

func TestAClientDecryptsAndReadsWhatAPhoneSends(t *testing.T) {
	server, _, client, peer := linked(t, phones.ScriptRead)

	id, err := peer.SendText(testContext(t), client.cli.Store.GetJID().User, "good morning")
	if err != nil {
		t.Fatal(err)
	}
	message := wait(client, 0, hasText("good morning"))
	if message.Info.ID != id || message.Info.SenderAlt != peer.JID() || message.Info.Sender != peer.LID() || message.Info.PushName != peer.Name() {
		t.Fatalf("the client got %+v", message.Info)
	}
	waitStatus(t, peer, id, phones.StatusDelivered)
	if err = client.cli.MarkRead(testContext(t), []string{id}, message.Info.Timestamp, message.Info.Chat, message.Info.Sender); err != nil {
		t.Fatal(err)
	}
	waitStatus(t, peer, id, phones.StatusRead)
	noUnknownQueries(t, server)
}

func TestMessagesKeepTheirOrder(t *testing.T) {
	_, own, client, peer := linked(t, phones.ScriptRead)
	const rounds = 20
	for i := range rounds {
		client.sendText(peer.JID(), fmt.Sprintf("there %d", i))
	}
	waitText(t, peer, fmt.Sprintf("there %d", rounds-1))
	for i := range rounds {
		if _, err := peer.SendText(testContext(t), own.Number(), fmt.Sprintf("back %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	wait(client, 0, hasText(fmt.Sprintf("back %d", rounds-1)))
	var want, got []string
	for _, direction := range []string{"there", "back"} {
		for i := range rounds {
			want = append(want, fmt.Sprintf("%s %d", direction, i))
		}
	}
	for _, message := range peer.Messages()[:rounds] {
		got = append(got, message.Text)
	}
	for _, event := range client.seen(0) {
		// Skip messages between a client and its own phone.
		if message, ok := event.(*events.Message); ok && message.Info.Category != "peer" {
			got = append(got, message.Message.GetConversation())
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("messages came as %q", got)
	}
}

func TestAPhoneEchoes(t *testing.T) {
	_, _, client, peer := linked(t, phones.ScriptEcho)
	client.sendText(peer.JID(), "echo this")
	wait(client, 0, hasText("echo this"))
}

func TestTwoClientsOfDifferentAccountsTalk(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	onePhone, otherPhone := newPhone(t, server, ""), newPhone(t, server, "")
	one, other := newDevice(t, server), newDevice(t, server)
	one.pair(onePhone)
	other.pair(otherPhone)

	id := one.sendText(otherPhone.JID(), "to the other")
	got := wait(other, 0, hasText("to the other"))
	if got.Info.ID != id {
		t.Fatalf("the other client got id %s, sent %s", got.Info.ID, id)
	}
	other.sendText(got.Info.Chat, "and back")
	wait(one, 0, hasText("and back"))
	waitText(t, onePhone, "and back")
	noUnknownQueries(t, server)
}

func TestASecondLinkedDeviceGetsCopies(t *testing.T) {
	server, own, first, peer := linked(t, phones.ScriptRead)
	first.sendText(peer.JID(), "before the second device")
	second := newDevice(t, server)
	second.pair(own)

	// The first client's cached list of devices is out of date. It has to learn of the new device.
	from := second.mark()
	first.sendText(peer.JID(), "from the first device")
	mirrored := wait(second, from, hasText("from the first device"))
	if !mirrored.Info.IsFromMe || mirrored.Info.Chat != peer.LID() {
		t.Fatalf("the second device got %+v", mirrored.Info)
	}
	if _, err := peer.SendText(testContext(t), own.Number(), "to all devices"); err != nil {
		t.Fatal(err)
	}
	wait(first, 0, hasText("to all devices"))
	wait(second, 0, hasText("to all devices"))

	// A message that is written on the phone appears on the linked devices.
	if _, err := own.SendText(testContext(t), peer.Number(), "from the phone"); err != nil {
		t.Fatal(err)
	}
	mirrored = wait(first, 0, hasText("from the phone"))
	if !mirrored.Info.IsFromMe || mirrored.Info.Chat != peer.LID() {
		t.Fatalf("the first device got %+v", mirrored.Info)
	}
	waitText(t, peer, "from the phone")
	noUnknownQueries(t, server)
}

func TestWhatArrivesWhileAClientIsAwayWaitsForIt(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptRead)
	feed, stop := server.Subscribe()
	defer stop()
	client.cli.Disconnect()
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventDisconnected })
	for i := range 3 {
		if _, err := peer.SendText(testContext(t), own.Number(), fmt.Sprintf("missed %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if queued := own.Devices()[0].Queued; queued != 3 {
		t.Fatalf("%d stanzas wait", queued)
	}

	back := openDevice(t, server, client.dsn)
	back.connect()
	for i := range 3 {
		wait(back, 0, hasText(fmt.Sprintf("missed %d", i)))
	}
	preview := wait[*events.OfflineSyncPreview](back, 0, nil)
	completed := wait[*events.OfflineSyncCompleted](back, 0, nil)
	if preview.Messages != 3 || completed.Count != 3 {
		t.Fatalf("announced %+v, completed %+v", preview, completed)
	}
	untilQueueIsEmpty(t, own, feed)
	if redelivered := server.Counters().Redelivered; redelivered != 3 {
		t.Errorf("%d stanzas redelivered", redelivered)
	}
}

// untilQueueIsEmpty waits until no stanza is queued for a phone's first linked device. The server emits an event for
// every receipt of the device, after it has removed the stanza from the queue.
func untilQueueIsEmpty(t *testing.T, phone *sandbox.Phone, feed <-chan observe.Event) {
	t.Helper()
	for phone.Devices()[0].Queued > 0 {
		until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventReceipt })
	}
}

func TestAMessageIsDeliveredAgainUntilItIsAcknowledged(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptDeliver)
	// The client acknowledges only after its handler has returned. The handler fails once, so the message is not
	// acknowledged and has to come again.
	client.cli.Disconnect()
	stubborn := openDevice(t, server, client.dsn)
	stubborn.cli.SynchronousAck = true
	stubborn.cli.EnableDecryptedEventBuffer = true
	refused := make(chan struct{}, 8)
	stubborn.cli.AddEventHandlerWithSuccessStatus(func(event any) bool {
		if _, ok := event.(*events.Message); ok {
			refused <- struct{}{}
			return false
		}
		return true
	})
	stubborn.connect()
	if _, err := peer.SendText(testContext(t), own.Number(), "once more"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-refused:
	case <-testContext(t).Done():
		t.Fatal("the message did not arrive")
	}
	if queued := own.Devices()[0].Queued; queued != 1 {
		t.Fatalf("%d stanzas wait", queued)
	}
	feed, stop := server.Subscribe()
	defer stop()

	patient := stubborn.reopen()
	patient.cli.EnableDecryptedEventBuffer = true
	patient.connect()
	wait(patient, 0, hasText("once more"))
	untilQueueIsEmpty(t, own, feed)
}

func TestDuplicatesAreCounted(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptRead)
	id := client.cli.GenerateMessageID()
	client.sendText(peer.JID(), "twice", whatsmeow.SendRequestExtra{ID: id})
	client.sendText(peer.JID(), "twice", whatsmeow.SendRequestExtra{ID: id})

	// The recipient and the own phone each get the message twice.
	for _, phone := range []*sandbox.Phone{peer, own} {
		message, err := phone.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && m.Copies == 2 })
		if err != nil {
			t.Fatal(err)
		}
		if message.Text != "twice" || len(phone.Messages()) != 1 {
			t.Fatalf("the phone has %+v", phone.Messages())
		}
	}
	if duplicates := server.Counters().Duplicates; duplicates != 2 {
		t.Errorf("%d duplicates", duplicates)
	}
}

func TestAClientThatLostItsSessionGetsTheMessageAgain(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptRead)
	if _, err := peer.SendText(testContext(t), own.Number(), "first"); err != nil {
		t.Fatal(err)
	}
	first := wait(client, 0, hasText("first"))
	client.sendText(first.Info.Chat, "answer")
	waitText(t, peer, "answer")
	// From here on the phone's messages can only be decrypted with the session.
	if err := client.cli.Store.Sessions.DeleteSession(context.Background(), peer.LID().SignalAddress().String()); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.SendText(testContext(t), own.Number(), "second"); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, hasText("second"))
	if retries := server.Counters().Retries; retries == 0 {
		t.Fatal("the client did not ask for the message again")
	}
}

func TestAPhoneThatCannotDecryptAsksAgain(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptRead)
	if _, err := peer.SendText(testContext(t), own.Number(), "first"); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, hasText("first"))
	// The client has a session now, and expects the phone to have it, too.
	peer.ForgetSession(client.cli.Store.GetLID())
	client.sendText(peer.JID(), "second")
	waitText(t, peer, "second")
	if retries := server.Counters().Retries; retries == 0 {
		t.Fatal("the phone did not ask for the message again")
	}
}

func TestAMessageUnderAUsedKeyIsCountedAndAskedForAgain(t *testing.T) {
	server, _, client, peer := linked(t, phones.ScriptRead)
	client.sendText(peer.JID(), "first")
	waitText(t, peer, "first")
	sessions, address := client.cli.Store.Sessions, peer.LID().SignalAddress().String()
	older, err := sessions.GetSession(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	client.sendText(peer.JID(), "second")
	waitText(t, peer, "second")
	// Restore the state before the second message, so that the third is encrypted with the key of the second.
	if err = sessions.PutSession(context.Background(), address, older); err != nil {
		t.Fatal(err)
	}
	client.sendText(peer.JID(), "third")
	if third := waitText(t, peer, "third"); third.Copies != 1 {
		t.Fatalf("the phone has %+v", third)
	}
	if counters := server.Counters(); counters.KeyReuses != 1 || counters.Duplicates != 0 {
		t.Fatalf("counters %+v", counters)
	}
}

func TestALowStockOfPreKeysIsReplenished(t *testing.T) {
	server, own, client, _ := linked(t, phones.ScriptRead)
	before := preKeys(t, client)
	// Every phone that writes for the first time uses one one-time prekey. With 5 left nothing happens. With 4 left the
	// server notifies the client.
	for range before - 4 {
		if err := server.TakeBundle(own); err != nil {
			t.Fatal(err)
		}
	}
	ctx := testContext(t)
	for preKeys(t, client) < 50 {
		if ctx.Err() != nil {
			t.Fatalf("the client uploaded nothing; %d left", preKeys(t, client))
		}
	}
}

// preKeys returns the number of the client's prekeys on the server.
func preKeys(t *testing.T, client *device) int {
	t.Helper()
	count, err := client.cli.DangerousInternals().GetServerPreKeyCount(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func TestNumbersThatAreNotOnWhatsAppAreKnownAsSuch(t *testing.T) {
	server, _, client, peer := linked(t, phones.ScriptRead)
	answers, err := client.cli.IsOnWhatsApp(testContext(t), []string{"+" + peer.Number(), "+4915199999999"})
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != 2 || !answers[0].IsIn || answers[0].JID != peer.LID() || answers[0].PhoneNumber != peer.JID() || answers[1].IsIn {
		t.Fatalf("answers %+v", answers)
	}
	if answers[0].Query != "+"+peer.Number() {
		t.Errorf("query came back as %q", answers[0].Query)
	}
	_, err = client.cli.SendMessage(testContext(t), types.NewJID("4915199999999", types.DefaultUserServer), &waE2E.Message{Conversation: proto.String("anybody?")})
	if err == nil || !strings.Contains(err.Error(), "no LID found") {
		t.Fatalf("sending to nobody: %v", err)
	}
	if _, err = peer.SendText(testContext(t), "4915199999999", "anybody?"); !errors.Is(err, accounts.ErrUnknownContact) {
		t.Fatalf("phone sending to nobody: %v", err)
	}
	noUnknownQueries(t, server)
}

func TestTwoPhonesThatEchoComeToAnEnd(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	one, other := newPhone(t, server, phones.ScriptEcho), newPhone(t, server, phones.ScriptEcho)
	id, err := one.SendText(testContext(t), other.Number(), "ping")
	if err != nil {
		t.Fatal(err)
	}
	waitStatus(t, one, id, phones.StatusRead)
	if _, err = one.WaitMessage(testContext(t), func(m phones.Message) bool { return !m.FromMe && m.Text == "ping" }); err != nil {
		t.Fatal(err)
	}
	if count := len(one.Messages()); count != 2 {
		t.Fatalf("%d messages", count)
	}
}

func TestAPhoneReadsWhenToldTo(t *testing.T) {
	_, _, client, peer := linked(t, phones.ScriptDeliver)
	id := client.sendText(peer.JID(), "read me later")
	wait(client, 0, receiptOf(id, types.ReceiptTypeDelivered))
	if got := waitText(t, peer, "read me later"); got.Status != phones.StatusReceived {
		t.Fatalf("the phone read by itself: %+v", got)
	}
	if err := peer.MarkRead(testContext(t), id); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, receiptOf(id, types.ReceiptTypeRead))
	if err := peer.MarkRead(testContext(t), "unknown"); !errors.Is(err, phones.ErrUnknownMessage) {
		t.Fatalf("reading nothing: %v", err)
	}
}

func TestBadPhonesAreRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	if _, err := server.AddPhone(phones.Config{Number: "49 170"}); !errors.Is(err, phones.ErrBadNumber) {
		t.Errorf("bad number: %v", err)
	}
	if _, err := server.AddPhone(phones.Config{Script: "dance"}); !errors.Is(err, phones.ErrBadScript) {
		t.Errorf("bad script: %v", err)
	}
	if _, err := server.AddPhone(phones.Config{Name: strings.Repeat("n", 101)}); !errors.Is(err, phones.ErrNameTooLong) {
		t.Errorf("long name: %v", err)
	}
	phone := newPhone(t, server, "")
	if _, err := server.AddPhone(phones.Config{Number: phone.Number()}); !errors.Is(err, accounts.ErrExists) {
		t.Errorf("taken number: %v", err)
	}
	if _, err := phone.SendText(testContext(t), phone.Number(), ""); !errors.Is(err, phones.ErrBadText) {
		t.Errorf("empty text: %v", err)
	}
	if err := server.RemovePhone("15550000000"); !errors.Is(err, sandbox.ErrPhoneUnknown) {
		t.Errorf("removing nobody: %v", err)
	}
}
