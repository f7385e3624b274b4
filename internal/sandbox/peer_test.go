package sandbox_test

import (
	"slices"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

func TestADeviceAsksForOlderMessages(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	ids := chatting(t, bruno, ana, numbered(12)...)
	d := newDevice(t, server)
	d.pair(ana)
	d.chunk(0, waHistorySync.HistorySync_NON_BLOCKING_DATA)
	ctx := testContext(t)
	from := d.mark()
	known := &types.MessageInfo{ID: ids[7], MessageSource: types.MessageSource{Chat: bruno.LID(), Sender: bruno.LID()}}
	sent, err := d.cli.SendPeerMessage(ctx, d.cli.BuildHistorySyncRequest(known, 3))
	must(t, err)
	answers := func(e *events.HistorySync) bool { return e.Notification.GetPeerDataRequestSessionID() == sent.ID }
	got := wait(d, from, answers)
	c := conversationOf(got.Data, bruno.LID())
	if !slices.Equal(texts(c), []string{"text 6", "text 5", "text 4"}) || got.Data.GetSyncType() != waHistorySync.HistorySync_ON_DEMAND {
		t.Errorf("got %v as %s", texts(c), got.Data.GetSyncType())
	}
	if c.GetEndOfHistoryTransferType() != waHistorySync.Conversation_COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY {
		t.Errorf("the end is %s", c.GetEndOfHistoryTransferType())
	}
	from = d.mark()
	known.ID = ids[2]
	sent, err = d.cli.SendPeerMessage(ctx, d.cli.BuildHistorySyncRequest(known, 50))
	must(t, err)
	got = wait(d, from, answers)
	if c = conversationOf(got.Data, bruno.LID()); !slices.Equal(texts(c), []string{"text 1", "text 0"}) || !c.GetEndOfHistoryTransfer() {
		t.Errorf("got %v", texts(c))
	}
}

func TestAPartOfTheHistoryThatWasLostIsUploadedAgain(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	chatting(t, bruno, ana, numbered(12)...)
	d := newDevice(t, server)
	d.cli.ManualHistorySyncDownload = true
	d.pair(ana)
	isRecent := func(e *events.Message) bool {
		return e.Message.GetProtocolMessage().GetHistorySyncNotification().GetSyncType() == waE2E.HistorySyncType_RECENT
	}
	first := wait(d, 0, isRecent)
	note := first.Message.GetProtocolMessage().GetHistorySyncNotification()
	ctx := testContext(t)
	for _, file := range server.Media().List() {
		must(t, server.Media().Take(file.ID, 404, true))
	}
	if _, err := d.cli.DownloadHistorySync(ctx, note, true); err == nil {
		t.Fatal("the part is still there")
	}
	from := d.mark()
	must(t, d.cli.SendHistorySyncServerErrorReceipt(ctx, first.Info.ID, note.GetMediaKey()))
	again := wait(d, from, func(e *events.Message) bool {
		return e.Message.GetProtocolMessage().GetHistorySyncNotification().GetOriginalMessageID() == first.Info.ID
	}).Message.GetProtocolMessage().GetHistorySyncNotification()
	part, err := d.cli.DownloadHistorySync(ctx, again, true)
	must(t, err)
	if again.GetSyncType() != waE2E.HistorySyncType_RECENT || len(part.GetConversations()[0].GetMessages()) != 2 {
		t.Errorf("got %v", again)
	}
}

func TestAMessageWithoutItsContentIsAskedOfThePhone(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	d := newDevice(t, server)
	d.pair(ana)
	_, err := server.SetFault(faults.Fault{Kind: faults.Unavailable, Account: ana.Number(), Count: 1})
	must(t, err)
	id, err := bruno.SendText(testContext(t), ana.Number(), "only the phone has it")
	must(t, err)
	wait(d, 0, func(e *events.UndecryptableMessage) bool { return e.Info.ID == id && e.IsUnavailable })
	got := wait(d, 0, func(e *events.Message) bool { return e.Info.ID == id })
	if got.Message.GetConversation() != "only the phone has it" || got.UnavailableRequestID == "" || got.Info.Sender != bruno.LID() {
		t.Errorf("got %+v", got)
	}
	// The phone also answers for a message that it does not have.
	ctx := testContext(t)
	asked, err := d.cli.SendPeerMessage(ctx, d.cli.BuildUnavailableMessageRequest(bruno.LID(), bruno.LID(), "3A00"))
	must(t, err)
	// whatsmeow emits the answer to its own request only after the message in it, so this event could be that answer.
	answer := wait(d, 0, func(e *events.Message) bool {
		return e.Message.GetProtocolMessage().GetPeerDataOperationRequestResponseMessage().GetStanzaID() == asked.ID
	}).Message.GetProtocolMessage().GetPeerDataOperationRequestResponseMessage()
	if len(answer.GetPeerDataOperationResult()) != 1 || answer.GetPeerDataOperationResult()[0].GetMediaUploadResult().String() != "NOT_FOUND" {
		t.Errorf("got %v", answer)
	}
}

func TestAFileThatTheServerHasNoMoreIsAskedOfThePhone(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	d := newDevice(t, server)
	d.pair(ana)
	ctx := testContext(t)
	id, err := bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindImage, Media: &phones.Attachment{Data: []byte("a picture")}})
	must(t, err)
	got := wait(d, 0, func(e *events.Message) bool { return e.Info.ID == id })
	image := got.Message.GetImageMessage()
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id })
	must(t, err)
	must(t, server.Media().Take(server.Media().List()[0].ID, 404, false))
	if _, err = d.cli.Download(ctx, image); err == nil {
		t.Fatal("the file is still there")
	}
	ask := func(info types.MessageInfo, key []byte) *events.MediaRetry {
		from := d.mark()
		must(t, d.cli.SendMediaRetryReceipt(ctx, &info, key))
		return wait(d, from, func(e *events.MediaRetry) bool { return e.MessageID == info.ID })
	}

	answer, err := whatsmeow.DecryptMediaRetryNotification(ask(got.Info, image.GetMediaKey()), image.GetMediaKey())
	must(t, err)
	if answer.GetResult().String() != "SUCCESS" {
		t.Fatalf("the phone says %s", answer.GetResult())
	}
	image.DirectPath, image.URL = answer.DirectPath, nil
	data, err := d.cli.Download(ctx, image)
	must(t, err)
	if string(data) != "a picture" {
		t.Errorf("downloaded %q", data)
	}
	// The key of another message does not decrypt the answer.
	wrong := make([]byte, 32)
	retry := ask(got.Info, wrong)
	answer, err = whatsmeow.DecryptMediaRetryNotification(retry, image.GetMediaKey())
	must(t, err)
	if answer.GetResult().String() != "DECRYPTION_ERROR" {
		t.Errorf("the phone says %s", answer.GetResult())
	}
	for _, file := range server.Media().List() {
		must(t, server.Media().Take(file.ID, 404, true))
	}
	answer, err = whatsmeow.DecryptMediaRetryNotification(ask(got.Info, image.GetMediaKey()), image.GetMediaKey())
	must(t, err)
	if answer.GetResult().String() != "NOT_FOUND" {
		t.Errorf("the phone says %s", answer.GetResult())
	}
	unknown := got.Info
	unknown.ID = "3A00"
	if _, err = whatsmeow.DecryptMediaRetryNotification(ask(unknown, image.GetMediaKey()), image.GetMediaKey()); err != whatsmeow.ErrMediaNotAvailableOnPhone { //nolint:errorlint // whatsmeow returns it unwrapped
		t.Errorf("the phone says %v", err)
	}
}
