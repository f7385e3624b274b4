package whatsapp_test

import (
	"encoding/base64"
	"math"
	"testing"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox/kinds"
	"wasup/internal/sandbox/phones"
)

// onePixel is a picture of one pixel.
func onePixel(t *testing.T) *phones.Attachment {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		t.Fatal(err)
	}
	return &phones.Attachment{Data: data, MIME: "image/png"}
}

// rawMessage is a message that is sent as it is.
func rawMessage(t *testing.T, m *waE2E.Message) phones.Outgoing {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return phones.Outgoing{Kind: phones.KindRaw, Raw: raw}
}

func TestThePhotosOfAnAlbumAndItsNumbersAreTold(t *testing.T) {
	h := newHearing(t)
	album, said, _ := h.hear(phones.Outgoing{Kind: kinds.Album, Details: &kinds.Details{Images: 2, Videos: 1}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindAlbum, Album: &message.Album{Images: 2, Videos: 1}})
	for range 2 {
		_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindImage, Media: onePixel(t), Part: &kinds.Part{Of: album, As: "album"}}, events.TypeMessage)
		want := &message.Part{As: "album", Message: &message.Ref{ID: album, Sender: addressOf(h.peer)}}
		if said.Kind != message.KindImage || said.PartOf == nil || *said.PartOf.Message != *want.Message || said.PartOf.As != want.As {
			t.Errorf("kept as %+v, part of %+v", said, said.PartOf)
		}
	}
}

func TestABetterVersionNamesTheFirstOneAndTheFirstOneAnnouncesIt(t *testing.T) {
	h := newHearing(t)
	first, said, _ := h.hear(rawMessage(t, &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		Mimetype: proto.String("image/jpeg"), ContextInfo: &waE2E.ContextInfo{PairedMediaType: waE2E.ContextInfo_SD_IMAGE_PARENT.Enum()},
	}}), events.TypeMessage)
	if said.FollowedBy != "hd_image" || said.PartOf != nil {
		t.Errorf("the first version is kept as %+v", said)
	}
	for as, kind := range map[string]phones.Kind{"hd_image": phones.KindImage, "motion_photo": phones.KindVideo, "hd_video": phones.KindVideo} {
		media := onePixel(t)
		if kind == phones.KindVideo {
			media.MIME = "video/mp4"
		}
		_, said, _ = h.hear(phones.Outgoing{Kind: kind, Media: media, Expiration: 86400, Part: &kinds.Part{Of: first, As: as}}, events.TypeMessage)
		if string(said.Kind) != string(kind) || said.PartOf == nil || said.PartOf.As != as || said.PartOf.Message.ID != first || said.Media.ID == "" {
			t.Errorf("%s is kept as %+v, part of %+v", as, said, said.PartOf)
		}
	}
}

func TestPartsInAGroupNameTheirAuthorAndAreBounded(t *testing.T) {
	h := newHearing(t)
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	first := h.send(h.own, phones.Outgoing{To: group.String(), Kind: kinds.Album, Details: &kinds.Details{Images: 3}})
	if data, _ := h.messageAfter(events.TypeMessage, events.TypeGroup, events.TypeReceipt); data.Content.Album == nil {
		t.Errorf("our album is kept as %+v", data.Content)
	}
	id := h.send(h.own, phones.Outgoing{To: group.String(), Kind: phones.KindImage, Media: onePixel(t), Part: &kinds.Part{Of: first, As: "album"}})
	data, _ := h.message(events.TypeMessage)
	if data.ID != id || data.Content.PartOf == nil || *data.Content.PartOf.Message != (message.Ref{ID: first, FromMe: true}) {
		t.Errorf("our photo is kept as %+v", data.Content.PartOf)
	}
	for _, index := range []int32{math.MinInt32, math.MaxInt32} {
		absurd := rawMessage(t, &waE2E.Message{
			AlbumMessage: &waE2E.AlbumMessage{ExpectedImageCount: proto.Uint32(math.MaxUint32), ExpectedVideoCount: proto.Uint32(math.MaxUint32)},
			MessageContextInfo: &waE2E.MessageContextInfo{MessageAssociation: &waE2E.MessageAssociation{
				AssociationType: waE2E.MessageAssociation_AssociationType(4711).Enum(), MessageIndex: &index,
				ParentMessageKey: &waCommon.MessageKey{ID: proto.String(string(make([]byte, 5000))), Participant: proto.String("nobody")},
			}},
		})
		absurd.To = group.String()
		h.send(h.peer, absurd)
		data, _ = h.message(events.TypeMessage)
		if album := data.Content.Album; album == nil || *album != (message.Album{}) || data.Content.PartOf.As != "4711" || len(data.Content.PartOf.Message.ID) > 800 || data.Content.PartOf.Index != 0 {
			t.Errorf("index %d: kept as %+v, part of %+v", index, data.Content, data.Content.PartOf)
		}
	}
}
