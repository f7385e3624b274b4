package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

func sendKind(t *testing.T, phone *sandbox.Phone, out phones.Outgoing) string {
	t.Helper()
	id, err := phone.SendMessage(testContext(t), out)
	if err != nil {
		t.Fatalf("%s: %v", out.Kind, err)
	}
	return id
}

func hasID(id string) func(*events.Message) bool {
	return func(m *events.Message) bool { return m.Info.ID == id }
}

func waitID(t *testing.T, phone *sandbox.Phone, id string, match func(phones.Message) bool) phones.Message {
	t.Helper()
	message, err := phone.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && (match == nil || match(m)) })
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return message
}

// files has one attachment for every kind of message with a file.
func files() map[phones.Kind]*phones.Attachment {
	return map[phones.Kind]*phones.Attachment{
		phones.KindImage:    {Data: someBytes(5000), MIME: "image/png", Width: 40, Height: 30, Thumbnail: someBytes(50)},
		phones.KindVideo:    {Data: someBytes(9000), Seconds: 7, Width: 64, Height: 48},
		phones.KindAudio:    {Data: someBytes(3000), Seconds: 3, Voice: true, Waveform: []byte{0, 50, 100}},
		phones.KindDocument: {Data: someBytes(70_000), MIME: "application/pdf", FileName: "invoice.pdf"},
		phones.KindSticker:  {Data: someBytes(800), Width: 512, Height: 512, Animated: true},
	}
}

func TestAClientGetsFilesOfEveryKindFromAPhone(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	for kind, file := range files() {
		caption := "see " + string(kind)
		id := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: kind, Text: caption, Media: file})
		got := wait(client, 0, hasID(id))
		if got.Info.Type != "media" {
			t.Errorf("%s came as %q", kind, got.Info.Type)
		}
		data, err := client.cli.DownloadAny(testContext(t), got.Message) //nolint:staticcheck // the kind does not matter
		if err != nil || !bytes.Equal(data, file.Data) {
			t.Fatalf("%s: %d bytes with %v", kind, len(data), err)
		}
		switch kind {
		case phones.KindImage:
			m := got.Message.GetImageMessage()
			if m.GetCaption() != caption || m.GetMimetype() != "image/png" || m.GetWidth() != 40 || !bytes.Equal(m.GetJPEGThumbnail(), file.Thumbnail) {
				t.Errorf("image %v", m)
			}
		case phones.KindAudio:
			m := got.Message.GetAudioMessage()
			if !m.GetPTT() || m.GetSeconds() != 3 || !bytes.Equal(m.GetWaveform(), file.Waveform) || got.Info.MediaType != "ptt" {
				t.Errorf("audio %v", m)
			}
		case phones.KindDocument:
			if m := got.Message.GetDocumentMessage(); m.GetFileName() != "invoice.pdf" || m.GetCaption() != caption {
				t.Errorf("document %v", m)
			}
		case phones.KindVideo:
			if m := got.Message.GetVideoMessage(); m.GetSeconds() != 7 || m.GetCaption() != caption {
				t.Errorf("video %v", m)
			}
		default:
			if m := got.Message.GetStickerMessage(); !m.GetIsAnimated() || m.GetMimetype() != "image/webp" {
				t.Errorf("sticker %v", m)
			}
		}
	}
	noUnknownQueries(t, server)
}

func TestAPhoneGetsFilesOfEveryKindFromAClientByteForByte(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	for kind, message := range map[phones.Kind]func(up whatsmeow.UploadResponse) *waE2E.Message{
		phones.KindImage: func(up whatsmeow.UploadResponse) *waE2E.Message {
			image := imageOf(up)
			image.Caption = proto.String("a picture")
			return &waE2E.Message{ImageMessage: image}
		},
		phones.KindVideo: func(up whatsmeow.UploadResponse) *waE2E.Message {
			return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Caption: proto.String("a picture"), GifPlayback: proto.Bool(true)}}
		},
		phones.KindAudio: func(up whatsmeow.UploadResponse) *waE2E.Message {
			return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength, PTT: proto.Bool(true), Seconds: proto.Uint32(9)}}
		},
		phones.KindDocument: func(up whatsmeow.UploadResponse) *waE2E.Message {
			return &waE2E.Message{DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength, FileName: proto.String("a.txt"), Caption: proto.String("a picture")}}}}
		},
		phones.KindSticker: func(up whatsmeow.UploadResponse) *waE2E.Message {
			return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength}}
		},
	} {
		plain := someBytes(20_001)
		as := map[phones.Kind]whatsmeow.MediaType{
			phones.KindImage: whatsmeow.MediaImage, phones.KindVideo: whatsmeow.MediaVideo, phones.KindAudio: whatsmeow.MediaAudio,
			phones.KindDocument: whatsmeow.MediaDocument, phones.KindSticker: whatsmeow.MediaImage,
		}[kind]
		response, err := client.cli.SendMessage(testContext(t), peer.JID(), message(client.upload(plain, as)))
		if err != nil {
			t.Fatal(err)
		}
		// Both the receiver and the sender's own phone, which gets the copy for own devices.
		for _, phone := range []*sandbox.Phone{peer, own} {
			got := waitID(t, phone, response.ID, nil)
			if got.Kind != kind || got.Media == nil || got.Media.Size != len(plain) {
				t.Fatalf("%s came as %+v", kind, got)
			}
			data, err := got.Media.Bytes()
			if err != nil || !bytes.Equal(data, plain) {
				t.Fatalf("%s: %d bytes with %v", kind, len(data), err)
			}
			if kind == phones.KindAudio && (!got.Media.Voice || got.Media.Seconds != 9) || kind == phones.KindVideo && !got.Media.GIF {
				t.Errorf("%s has %+v", kind, got.Media)
			}
			if (kind == phones.KindImage || kind == phones.KindDocument) && got.Text != "a picture" {
				t.Errorf("%s says %q", kind, got.Text)
			}
		}
	}
	last := peer.Messages()[0]
	if err := server.Media().Take(server.Media().List()[0].ID, 410, false); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Media.Bytes(); !errors.Is(err, media.ErrGone) {
		t.Errorf("a file that is gone: %v", err)
	}
	noUnknownQueries(t, server)
}

func TestTextsMentionQuoteAndPreviewBothWays(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	first := client.sendText(peer.JID(), "what do you think?")
	waitText(t, peer, "what do you think?")
	id := sendKind(t, peer, phones.Outgoing{
		To: own.Number(), Text: "@" + own.LID().User + " see https://example.com", Mentions: []string{own.Number()}, Quote: first,
		Preview: &phones.LinkPreview{URL: "https://example.com", Title: "Example", Description: "of a page"},
	})
	text := wait(client, 0, hasID(id)).Message.GetExtendedTextMessage()
	info := text.GetContextInfo()
	if info.GetStanzaID() != first || info.GetQuotedMessage().GetConversation() != "what do you think?" || info.GetParticipant() != own.LID().String() ||
		!slices.Equal(info.GetMentionedJID(), []string{own.LID().String()}) || text.GetTitle() != "Example" || text.GetMatchedText() != "https://example.com" {
		t.Fatalf("the client got %v", text)
	}
	response, err := client.cli.SendMessage(testContext(t), peer.JID(), &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String("nice, @" + peer.LID().User), MatchedText: proto.String("https://example.com"), Title: proto.String("Example"),
		ContextInfo: &waE2E.ContextInfo{
			StanzaID: &id, Participant: proto.String(peer.LID().String()), QuotedMessage: &waE2E.Message{ExtendedTextMessage: text},
			MentionedJID: []string{peer.LID().String()}, Expiration: proto.Uint32(86400),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := waitID(t, peer, response.ID, nil)
	if got.Quote == nil || got.Quote.ID != id || got.Quote.From != peer.JID() || got.Quote.Text != text.GetText() ||
		!slices.Equal(got.Mentions, []types.JID{peer.JID()}) || got.Preview == nil || got.Preview.Title != "Example" || got.Expiration != 86400 {
		t.Fatalf("the phone got %+v, %+v", got, got.Quote)
	}
	noUnknownQueries(t, server)
}

func TestPlacesAndContactsBothWays(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	const card = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"
	place := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindLocation, Location: &phones.Location{Latitude: -34.6, Longitude: -58.4, Name: "Obelisco"}})
	contact := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindContact, Contact: &phones.Contact{Name: "Ana", VCard: card}})
	if m := wait(client, 0, hasID(place)).Message.GetLocationMessage(); m.GetDegreesLatitude() != -34.6 || m.GetName() != "Obelisco" {
		t.Fatalf("the client got %v", m)
	}
	if m := wait(client, 0, hasID(contact)).Message.GetContactMessage(); m.GetVcard() != card || m.GetDisplayName() != "Ana" {
		t.Fatalf("the client got %v", m)
	}
	for _, content := range []*waE2E.Message{
		{LocationMessage: &waE2E.LocationMessage{DegreesLatitude: proto.Float64(1.5), DegreesLongitude: proto.Float64(2.5), Address: proto.String("Street 1")}},
		{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String("Ana"), Vcard: proto.String(card)}},
	} {
		response, err := client.cli.SendMessage(testContext(t), peer.JID(), content)
		if err != nil {
			t.Fatal(err)
		}
		got := waitID(t, peer, response.ID, nil)
		switch {
		case got.Kind == phones.KindLocation && got.Location.Longitude == 2.5 && got.Location.Address == "Street 1":
		case got.Kind == phones.KindContact && got.Contact.VCard == card:
		default:
			t.Errorf("the phone got %+v", got)
		}
	}
	noUnknownQueries(t, server)
}

func TestPollsAndTheirVotesBothWays(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	ctx := testContext(t)
	// A phone sends a poll, the client votes and changes its vote.
	id := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindPoll, Text: "When?", Options: []string{"Monday", "Tuesday"}, Selectable: 1})
	poll := wait(client, 0, hasID(id))
	if m := poll.Message.GetPollCreationMessageV3(); m.GetName() != "When?" || len(m.GetOptions()) != 2 || poll.Info.Type != "poll" {
		t.Fatalf("the client got %v", m)
	}
	for _, choice := range []string{"Monday", "Tuesday"} {
		vote, err := client.cli.BuildPollVote(ctx, &poll.Info, []string{choice})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.cli.SendMessage(ctx, poll.Info.Chat, vote); err != nil {
			t.Fatal(err)
		}
	}
	for _, phone := range []*sandbox.Phone{peer, own} {
		got := waitID(t, phone, id, func(m phones.Message) bool { return len(m.Poll.Options[1].Voters) == 1 })
		if got.Poll.Options[1].Voters[0] != own.JID() || len(got.Poll.Options[0].Voters) != 0 {
			t.Errorf("the poll stands at %+v", got.Poll)
		}
	}
	// The client sends a poll, the phone votes.
	response, err := client.cli.SendMessage(ctx, peer.JID(), client.cli.BuildPollCreation("Where?", []string{"here", "there", "nowhere"}, 2))
	if err != nil {
		t.Fatal(err)
	}
	waitID(t, peer, response.ID, nil)
	vote := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindVote, Target: response.ID, Options: []string{"here", "nowhere"}})
	got, err := client.cli.DecryptPollVote(ctx, wait(client, 0, hasID(vote)))
	if err != nil {
		t.Fatal(err)
	}
	want := whatsmeow.HashPollOptions([]string{"here", "nowhere"})
	if len(got.GetSelectedOptions()) != 2 || !bytes.Equal(got.GetSelectedOptions()[1], want[1]) {
		t.Fatalf("the client read %v", got)
	}
	// The client's own phone has the poll, too, and decrypts the vote.
	waitID(t, own, response.ID, func(m phones.Message) bool {
		return slices.Equal(m.Poll.Options[2].Voters, []types.JID{peer.JID()}) && len(m.Poll.Options[0].Voters) == 1 && len(m.Poll.Options[1].Voters) == 0
	})
	for _, options := range [][]string{{"here", "there", "nowhere"}, {"elsewhere"}} {
		var bad *phones.OutgoingError
		if _, err = peer.SendMessage(ctx, phones.Outgoing{To: own.Number(), Kind: phones.KindVote, Target: response.ID, Options: options}); !errors.As(err, &bad) || bad.Field != "options" {
			t.Errorf("voting for %q: %v", options, err)
		}
	}
	noUnknownQueries(t, server)
}

func TestReactionsEditsAndRevocationsOfAClientReachThePhones(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	ctx := testContext(t)
	send := func(content *waE2E.Message) {
		t.Helper()
		if _, err := client.cli.SendMessage(ctx, peer.JID(), content); err != nil {
			t.Fatal(err)
		}
	}
	id := client.sendText(peer.JID(), "helo")
	theirs := sendKind(t, peer, phones.Outgoing{To: own.Number(), Text: "hi"})
	wait(client, 0, hasID(theirs))
	send(client.cli.BuildReaction(peer.LID(), peer.LID(), theirs, "👍"))
	send(client.cli.BuildEdit(peer.LID(), id, &waE2E.Message{Conversation: proto.String("hello")}))
	for _, phone := range []*sandbox.Phone{peer, own} {
		got := waitID(t, phone, theirs, func(m phones.Message) bool { return len(m.Reactions) == 1 })
		if got.Reactions[0].Emoji != "👍" || got.Reactions[0].From != own.JID() {
			t.Errorf("reactions %+v", got.Reactions)
		}
		waitID(t, phone, id, func(m phones.Message) bool { return m.Edited && m.Text == "hello" })
	}
	send(client.cli.BuildReaction(peer.LID(), peer.LID(), theirs, ""))
	send(client.cli.BuildRevoke(peer.LID(), types.EmptyJID, id))
	for _, phone := range []*sandbox.Phone{peer, own} {
		waitID(t, phone, theirs, func(m phones.Message) bool { return len(m.Reactions) == 0 })
		if got := waitID(t, phone, id, func(m phones.Message) bool { return m.Revoked }); got.Text != "" {
			t.Errorf("a revoked message says %q", got.Text)
		}
	}
	noUnknownQueries(t, server)
}

func TestReactionsEditsAndRevocationsOfAPhoneReachTheClient(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	theirs := client.sendText(peer.JID(), "hi")
	waitText(t, peer, "hi")
	id := sendKind(t, peer, phones.Outgoing{To: own.Number(), Text: "helo"})
	reaction := wait(client, 0, hasID(sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindReaction, Target: theirs, Text: "❤️"})))
	if m := reaction.Message.GetReactionMessage(); m.GetText() != "❤️" || m.GetKey().GetID() != theirs || reaction.Info.Type != "reaction" {
		t.Fatalf("the client got %v", m)
	}
	edit := wait(client, 0, hasID(sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindEdit, Target: id, Text: "hello"})))
	if m := edit.Message.GetProtocolMessage(); !edit.IsEdit || m.GetKey().GetID() != id || m.GetEditedMessage().GetExtendedTextMessage().GetText() != "hello" || edit.Info.Edit != types.EditAttributeMessageEdit {
		t.Fatalf("the client got %v", edit)
	}
	revoke := wait(client, 0, hasID(sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindRevoke, Target: id})))
	if m := revoke.Message.GetProtocolMessage(); m.GetType() != waE2E.ProtocolMessage_REVOKE || m.GetKey().GetID() != id || revoke.Info.Edit != types.EditAttributeSenderRevoke {
		t.Fatalf("the client got %v", revoke)
	}
	mine := waitID(t, peer, id, nil)
	if !mine.Edited || !mine.Revoked || len(waitID(t, peer, theirs, nil).Reactions) != 1 {
		t.Fatalf("the phone itself has %+v", mine)
	}
	if m := wait(client, 0, hasID(sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindTimer, Expiration: 86400}))); m.Message.GetProtocolMessage().GetEphemeralExpiration() != 86400 {
		t.Fatalf("the client got %v", m)
	}
	for _, out := range []phones.Outgoing{
		{Kind: phones.KindEdit, Target: theirs, Text: "not mine"},
		{Kind: phones.KindRevoke, Target: theirs},
		{Kind: phones.KindReaction, Target: "unknown", Text: "?"},
	} {
		out.To = own.Number()
		var bad *phones.OutgoingError
		if _, err := peer.SendMessage(testContext(t), out); !errors.As(err, &bad) || bad.Field != "target" {
			t.Errorf("%s of %s: %v", out.Kind, out.Target, err)
		}
	}
	noUnknownQueries(t, server)
}

func TestAForgedChangeIsSentAndPhonesIgnoreIt(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	theirs := sendKind(t, own, phones.Outgoing{To: peer.Number(), Text: "theirs"})
	waitID(t, peer, theirs, nil)
	edit := wait(client, 0, hasID(sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindEdit, Target: theirs, Text: "forged", Forged: true})))
	if m := edit.Message.GetProtocolMessage(); m.GetKey().GetID() != theirs || m.GetKey().GetFromMe() || m.GetEditedMessage().GetExtendedTextMessage().GetText() != "forged" {
		t.Fatalf("the client got %v", edit)
	}
	revoke := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindRevoke, Target: theirs, Forged: true})
	wait(client, 0, hasID(revoke))
	quote := sendKind(t, peer, phones.Outgoing{To: own.Number(), Text: "yes", Quote: theirs, QuoteText: "something else"})
	waitID(t, own, revoke, nil)
	if m := waitID(t, own, quote, nil); m.Quote == nil || m.Quote.Text != "something else" {
		t.Errorf("the phone shows %+v", m.Quote)
	}
	for _, phone := range []*sandbox.Phone{own, peer} {
		if m := waitID(t, phone, theirs, nil); m.Text != "theirs" || m.Edited || m.Revoked {
			t.Errorf("a phone shows %+v", m)
		}
	}
	for field, out := range map[string]phones.Outgoing{
		"forged":     {Text: "hola", Forged: true},
		"quote_text": {Text: "hola", QuoteText: "hola"},
	} {
		out.To = own.Number()
		var bad *phones.OutgoingError
		if _, err := peer.SendMessage(testContext(t), out); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	noUnknownQueries(t, server)
}

func TestWhatAPhoneSendsIsCopiedToItsOwnClientsWithItsFile(t *testing.T) {
	_, own, client, peer := linked(t, phones.ScriptSilent)
	file := &phones.Attachment{Data: someBytes(100)}
	id := sendKind(t, own, phones.Outgoing{To: peer.Number(), Kind: phones.KindImage, Media: file, ViewOnce: true})
	got := wait(client, 0, hasID(id))
	if !got.Info.IsFromMe || got.Info.Chat != peer.LID() || !got.IsViewOnce {
		t.Fatalf("the client got %+v", got)
	}
	if data, err := client.cli.Download(testContext(t), got.Message.GetImageMessage()); err != nil || !bytes.Equal(data, file.Data) {
		t.Fatal(err)
	}
	if !waitID(t, peer, id, nil).ViewOnce {
		t.Error("the other phone may look at it for ever")
	}
}

func TestAPhoneEchoesFilesAndPolls(t *testing.T) {
	_, own, _, peer := linked(t, phones.ScriptEcho)
	file := &phones.Attachment{Data: someBytes(100), FileName: "a.bin"}
	sendKind(t, own, phones.Outgoing{To: peer.Number(), Kind: phones.KindDocument, Media: file})
	sendKind(t, own, phones.Outgoing{To: peer.Number(), Kind: phones.KindPoll, Text: "?", Options: []string{"a", "b"}})
	for _, kind := range []phones.Kind{phones.KindDocument, phones.KindPoll} {
		got, err := own.WaitMessage(testContext(t), func(m phones.Message) bool { return !m.FromMe && m.Kind == kind })
		if err != nil {
			t.Fatal(err)
		}
		if got.Media == nil {
			continue
		}
		if data, err := got.Media.Bytes(); err != nil || !bytes.Equal(data, file.Data) || got.Media.FileName != "a.bin" {
			t.Fatalf("%+v with %v", got.Media, err)
		}
	}
}

func TestAPhoneThatIsAwayGetsItsMessagesWhenItIsBack(t *testing.T) {
	server, _, client, peer := linked(t, phones.ScriptRead)
	feed, stop := server.Subscribe()
	defer stop()
	peer.SetOnline(false)
	first, second := client.sendText(peer.JID(), "one"), client.sendText(peer.JID(), "two")
	if _, err := peer.SendText(testContext(t), client.cli.Store.GetJID().User, "from nowhere"); !errors.Is(err, phones.ErrOffline) {
		t.Fatalf("sending while away: %v", err)
	}
	if len(peer.Messages()) != 0 || len(client.seen(0)) == 0 {
		t.Fatal("the phone is not away")
	}
	for _, event := range client.seen(0) {
		if receipt, ok := event.(*events.Receipt); ok && receipt.Chat.User == peer.LID().User {
			t.Fatalf("a receipt came while the phone was away: %+v", receipt)
		}
	}
	peer.SetOnline(true)
	wait(client, 0, receiptOf(first, types.ReceiptTypeDelivered))
	wait(client, 0, receiptOf(second, types.ReceiptTypeRead))
	if got := peer.Messages(); got[0].Text != "one" || got[1].Text != "two" {
		t.Fatalf("the phone has %+v", got)
	}
	if err := peer.GoOffline(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	until(t, feed, func(e observe.Event) bool { return e.Account == peer.Number() && e.Detail == "offline" })
	until(t, feed, func(e observe.Event) bool { return e.Account == peer.Number() && e.Detail == "online" })
	until(t, feed, func(e observe.Event) bool { return e.Account == peer.Number() && e.Detail == "online" })
	if err := peer.GoOffline(0); !errors.Is(err, phones.ErrBadAbsence) {
		t.Errorf("away for no time: %v", err)
	}
}

func TestASlowPhoneAnswersLate(t *testing.T) {
	_, _, client, peer := linked(t, phones.ScriptSlow)
	if err := peer.SetDelay(30 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	id := client.sendText(peer.JID(), "take your time")
	wait(client, 0, receiptOf(id, types.ReceiptTypeRead))
	if err := peer.SetDelay(0); !errors.Is(err, phones.ErrBadDelay) {
		t.Errorf("no delay: %v", err)
	}
}

func TestMessagesThatDoNotFitTogetherAreRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{MaxMediaFile: 1000})
	one, other := newPhone(t, server, ""), newPhone(t, server, "")
	long := make([]byte, 65<<10)
	for i := range long {
		long[i] = 'a'
	}
	file := &phones.Attachment{Data: []byte("x")}
	for name, test := range map[string]struct {
		out   phones.Outgoing
		field string
	}{
		"unknown kind":       {phones.Outgoing{Kind: "dance"}, "kind"},
		"no text":            {phones.Outgoing{}, "text"},
		"long text":          {phones.Outgoing{Text: string(long)}, "text"},
		"text of a revoke":   {phones.Outgoing{Kind: phones.KindRevoke, Target: "x", Text: "y"}, "text"},
		"no target":          {phones.Outgoing{Kind: phones.KindReaction, Text: "x"}, "target"},
		"target of a text":   {phones.Outgoing{Text: "x", Target: "y"}, "target"},
		"no file":            {phones.Outgoing{Kind: phones.KindImage}, "media"},
		"empty file":         {phones.Outgoing{Kind: phones.KindImage, Media: &phones.Attachment{}}, "media"},
		"file of a text":     {phones.Outgoing{Text: "x", Media: file}, "media"},
		"no place":           {phones.Outgoing{Kind: phones.KindLocation}, "location"},
		"off the earth":      {phones.Outgoing{Kind: phones.KindLocation, Location: &phones.Location{Latitude: 91}}, "location"},
		"no card":            {phones.Outgoing{Kind: phones.KindContact, Contact: &phones.Contact{Name: "x"}}, "contact"},
		"one option":         {phones.Outgoing{Kind: phones.KindPoll, Text: "x", Options: []string{"a"}}, "options"},
		"the same twice":     {phones.Outgoing{Kind: phones.KindPoll, Text: "x", Options: []string{"a", "a"}}, "options"},
		"too many choices":   {phones.Outgoing{Kind: phones.KindPoll, Text: "x", Options: []string{"a", "b"}, Selectable: 3}, "selectable"},
		"options of a text":  {phones.Outgoing{Text: "x", Options: []string{"a", "b"}}, "options"},
		"preview of a file":  {phones.Outgoing{Kind: phones.KindImage, Media: file, Preview: &phones.LinkPreview{URL: "x", Title: "y"}}, "preview"},
		"a text once":        {phones.Outgoing{Text: "x", ViewOnce: true}, "view_once"},
		"nobody mentioned":   {phones.Outgoing{Text: "x", Mentions: []string{"15550000000"}}, "mentions"},
		"an unknown quote":   {phones.Outgoing{Text: "x", Quote: "y"}, "quote"},
		"selectable of vote": {phones.Outgoing{Kind: phones.KindVote, Target: "x", Selectable: 1}, "selectable"},
	} {
		test.out.To = other.Number()
		var bad *phones.OutgoingError
		if _, err := one.SendMessage(context.Background(), test.out); !errors.As(err, &bad) || bad.Field != test.field {
			t.Errorf("%s: %v, expected %s", name, err, test.field)
		}
	}
	_, err := one.SendMessage(context.Background(), phones.Outgoing{To: other.Number(), Kind: phones.KindImage, Media: &phones.Attachment{Data: someBytes(2000)}})
	if !errors.Is(err, media.ErrTooLarge) {
		t.Errorf("a large file: %v", err)
	}
}
