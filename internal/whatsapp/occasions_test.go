package whatsapp_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/kinds"
	"wasup/internal/sandbox/phones"
)

// dinner is an event as a phone sends it, and as it is told.
func dinner() (*kinds.Details, *message.Occasion) {
	return &kinds.Details{
		Name: "Dinner", Description: "bring wine", Start: 1_800_000_000, End: 1_800_007_200, Place: "Da Mario", Latitude: 41.9, Longitude: 12.5,
		Link: "https://call.whatsapp.com/video/abc", Guests: true,
	}, &message.Occasion{
		Name: "Dinner", Description: "bring wine", Start: time.Unix(1_800_000_000, 0).UTC(), End: time.Unix(1_800_007_200, 0).UTC(),
		Location: &message.Venue{Latitude: new(41.9), Longitude: new(12.5), Name: "Da Mario"}, Link: "https://call.whatsapp.com/video/abc", ExtraGuests: true,
	}
}

// friends creates a group of the peer with the session's account and others, and waits until that is told.
func (h *hearing) friends(others ...*sandbox.Phone) string {
	h.t.Helper()
	members := []string{h.own.Number()}
	for _, other := range others {
		members = append(members, other.Number())
	}
	group, err := h.peer.CreateGroup(testContext(h.t), phones.NewGroup{Subject: "Friends", Members: members})
	h.must(err)
	h.next(events.TypeGroup, events.TypeReceipt)
	return group.String()
}

func TestAnEventIsToldWithItsChangesAndAnswers(t *testing.T) {
	h := newHearing(t)
	details, want := dinner()
	id, said, _ := h.hear(phones.Outgoing{Kind: kinds.Event, Details: details, Expiration: 86400}, events.TypeMessage)
	said.Expires = 0
	same(t, said, message.Content{Kind: message.KindEvent, Event: want})

	details.Off = true
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.EventEdit, Target: id, Details: details}, events.TypeEdited)
	want.Cancelled = true
	same(t, said, message.Content{Kind: message.KindEdit, Event: want, Target: &message.Ref{ID: id, Sender: addressOf(h.peer)}})

	ours := h.send(h.own, phones.Outgoing{To: h.peer.Number(), Kind: kinds.Event, Details: &kinds.Details{Name: "Lunch", Start: 1_800_000_000}})
	if data, _ := h.message(events.TypeMessage); data.ID != ours || data.Content.Event.Name != "Lunch" {
		t.Fatalf("our event is kept as %+v", data.Content)
	}
	for answer, extra := range map[string]int32{"going": 2, "not_going": 0, "maybe": 0} {
		_, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == ours })
		h.must(err)
		_, said, _ = h.hear(phones.Outgoing{Kind: kinds.EventAnswer, Target: ours, Details: &kinds.Details{Answer: answer, Extra: extra}}, events.TypeEventResponse)
		same(t, said, message.Content{
			Kind: message.KindEventResponse, Response: &message.Response{Answer: answer, ExtraGuests: int(extra)}, Target: &message.Ref{ID: ours, FromMe: true},
		})
	}
	_, said, _ = h.hear(phones.Outgoing{Text: "what time?", Quote: ours}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindText, Text: "what time?", Quote: &message.Ref{ID: ours, FromMe: true, Text: "Lunch", Kind: message.KindEvent}})
}

func TestAnEventInAGroupIsChangedByItsAuthorOnly(t *testing.T) {
	h := newHearing(t)
	third := h.phone()
	group := h.friends(third)
	details, want := dinner()
	id := h.send(h.peer, phones.Outgoing{To: group, Kind: kinds.Event, Details: details})
	data, _ := h.message(events.TypeMessage)
	same(t, *data.Content, message.Content{Kind: message.KindEvent, Event: want})
	about := &message.Ref{ID: id, Sender: addressOf(h.peer)}
	_, err := third.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id })
	h.must(err)
	h.send(third, phones.Outgoing{To: group, Kind: kinds.EventAnswer, Target: id, Details: &kinds.Details{Answer: "maybe"}})
	data, _ = h.message(events.TypeEventResponse)
	if data.Sender != addressOf(third) {
		t.Errorf("the answer is of %+v", data.Sender)
	}
	same(t, *data.Content, message.Content{Kind: message.KindEventResponse, Response: &message.Response{Answer: "maybe"}, Target: about})
	h.send(third, phones.Outgoing{To: group, Kind: kinds.EventEdit, Target: id, Details: &kinds.Details{Name: "Breakfast"}})
	data, _ = h.message(events.TypeMessage)
	same(t, *data.Content, message.Content{Kind: message.KindUnknown, Unknown: "secretEncryptedMessage/EVENT_EDIT", Unauthorized: true, Target: about})
}

func TestPinsAndKeptMessagesNameTheMessage(t *testing.T) {
	h := newHearing(t)
	id, _, _ := h.hear(phones.Outgoing{Text: "the code is 1234"}, events.TypeMessage)
	about := &message.Ref{ID: id, Sender: addressOf(h.peer)}
	_, said, _ := h.hear(phones.Outgoing{Kind: kinds.Pin, Target: id, Details: &kinds.Details{Seconds: 604_800}}, events.TypePinned)
	same(t, said, message.Content{Kind: message.KindPin, Pin: &message.Pin{Pinned: true, Seconds: 604_800}, Target: about})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.Pin, Target: id, Details: &kinds.Details{Off: true}}, events.TypePinned)
	same(t, said, message.Content{Kind: message.KindPin, Pin: &message.Pin{}, Target: about})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.Keep, Target: id}, events.TypeKept)
	same(t, said, message.Content{Kind: message.KindKeep, Keep: &message.Keep{Kept: true}, Target: about})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.Keep, Target: id, Details: &kinds.Details{Off: true}}, events.TypeKept)
	same(t, said, message.Content{Kind: message.KindKeep, Keep: &message.Keep{}, Target: about})

	group := h.friends()
	ours := h.send(h.own, phones.Outgoing{To: group, Text: "rules"})
	h.message(events.TypeMessage)
	_, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == ours })
	h.must(err)
	h.send(h.peer, phones.Outgoing{To: group, Kind: kinds.Pin, Target: ours, Details: &kinds.Details{Seconds: 86_400}})
	data, _ := h.message(events.TypePinned)
	same(t, *data.Content, message.Content{Kind: message.KindPin, Pin: &message.Pin{Pinned: true, Seconds: 86_400}, Target: &message.Ref{ID: ours, FromMe: true}})
}

func TestCommentsSayOnWhatAndWhoseTheyAre(t *testing.T) {
	h := newHearing(t)
	third := h.phone()
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "News", Members: []string{h.own.Number(), third.Number()}})
	h.must(err)
	h.next(events.TypeGroup, events.TypeReceipt)
	announced := rawMessage(t, &waE2E.Message{
		Conversation: proto.String("closed on Monday"), MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: bytes.Repeat([]byte{7}, 32)},
	})
	announced.To = group.String()
	id := h.send(h.peer, announced)
	h.message(events.TypeMessage)
	_, err = third.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id })
	h.must(err)
	for _, kind := range []phones.Kind{kinds.Comment, kinds.PlainComment} {
		h.send(third, phones.Outgoing{To: group.String(), Kind: kind, Target: id, Text: "all day?"})
		data, _ := h.message(events.TypeMessage)
		if data.Sender != addressOf(third) {
			t.Errorf("the comment is of %+v", data.Sender)
		}
		same(t, *data.Content, message.Content{Kind: message.KindComment, Text: "all day?", Target: &message.Ref{ID: id, Sender: addressOf(h.peer)}})
	}
}

func TestCallsStickerPacksAndNumbersAreTold(t *testing.T) {
	h := newHearing(t)
	id, said, _ := h.hear(phones.Outgoing{Kind: kinds.ScheduledCall, Details: &kinds.Details{Name: "Standup", Start: 1_800_000_000, Video: true}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindScheduledCall, Call: &message.Call{Title: "Standup", Start: time.Unix(1_800_000_000, 0).UTC(), Video: true}})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.ScheduledCall, Target: id}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindScheduledCall, Call: &message.Call{Cancelled: true}, Target: &message.Ref{ID: id, Sender: addressOf(h.peer)}})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.CallLog, Details: &kinds.Details{Outcome: 1, Video: true, Seconds: 0}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindCallLog, Call: &message.Call{Video: true, Type: "regular", Outcome: "missed"}})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.StickerPack, Text: "look", Details: &kinds.Details{Name: "Cats", Publisher: "Ana", Stickers: 3}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindStickerPack, Text: "look", StickerPack: &message.StickerPack{ID: "pack", Name: "Cats", Publisher: "Ana", Stickers: 3}})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.LiveLocation, Text: "on my way", Details: &kinds.Details{Latitude: 1, Longitude: 2}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindLocation, Text: "on my way", Location: &message.Location{Latitude: 1, Longitude: 2, Live: true}})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.AskNumber}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindNumberRequest})
	_, said, _ = h.hear(phones.Outgoing{Kind: kinds.ShareNumber}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindNumberShared})
	_, said, _ = h.hear(rawMessage(t, &waE2E.Message{StatusMentionMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_STATUS_MENTION_MESSAGE.Enum(),
		Key:  &waCommon.MessageKey{RemoteJID: proto.String(phones.StatusChat), ID: proto.String("S1"), FromMe: proto.Bool(true)},
	}}}}), events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindStatusMention, Target: &message.Ref{ID: "S1", Sender: addressOf(h.peer), Chat: statuses}})
}

func TestAbsurdOccasionsAreBoundedAndTold(t *testing.T) {
	h := newHearing(t)
	long := strings.Repeat("x", 100_000)
	_, said, event := h.hear(rawMessage(t, &waE2E.Message{EventMessage: &waE2E.EventMessage{
		Name: &long, Description: &long, JoinLink: &long, StartTime: proto.Int64(math.MaxInt64), EndTime: proto.Int64(math.MinInt64),
		HasReminder: proto.Bool(true), ReminderOffsetSec: proto.Int64(math.MaxInt64),
		Location: &waE2E.LocationMessage{DegreesLatitude: proto.Float64(math.NaN()), Name: &long},
	}}), events.TypeMessage)
	if got := said.Event; len(got.Name) != 1024 || len(got.Description) != 4096 || len(got.Link) != 2048 || !got.Start.IsZero() || !got.End.IsZero() ||
		got.Reminder != 0 || got.Location.Latitude != nil || len(got.Location.Name) != 1024 || !bytes.Contains(event.Data, []byte(`"truncated":true`)) {
		t.Errorf("kept as %+v", said.Event)
	}
	_, said, _ = h.hear(rawMessage(t, &waE2E.Message{ScheduledCallCreationMessage: &waE2E.ScheduledCallCreationMessage{
		ScheduledTimestampMS: proto.Int64(math.MaxInt64), Title: &long, CallType: waE2E.ScheduledCallCreationMessage_CallType(99).Enum(),
	}}), events.TypeMessage)
	if !said.Call.Start.IsZero() || len(said.Call.Title) != 1024 {
		t.Errorf("kept as %+v", said.Call)
	}
	_, said, _ = h.hear(rawMessage(t, &waE2E.Message{CallLogMesssage: &waE2E.CallLogMessage{
		DurationSecs: proto.Int64(math.MinInt64), CallOutcome: waE2E.CallLogMessage_CallOutcome(99).Enum(),
		Participants: []*waE2E.CallLogMessage_CallParticipant{nil, {JID: &long}, {JID: proto.String(h.peer.LID().String())}},
	}}), events.TypeMessage)
	if said.Call.Seconds != 0 || said.Call.Outcome != "99" || len(said.Call.People) != 1 || said.Call.People[0].Address != addressOf(h.peer) {
		t.Errorf("kept as %+v", said.Call)
	}
}
