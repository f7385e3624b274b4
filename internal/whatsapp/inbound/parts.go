package inbound

import (
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

// maxParts bounds the number and the indexes of the parts of an album, or of another message.
const maxParts = 10_000

// partNames are the names of the usual ways in which a message belongs to another one. They are public.
var partNames = map[waE2E.MessageAssociation_AssociationType]string{
	waE2E.MessageAssociation_MEDIA_ALBUM:            "album",
	waE2E.MessageAssociation_HD_IMAGE_DUAL_UPLOAD:   "hd_image",
	waE2E.MessageAssociation_HD_VIDEO_DUAL_UPLOAD:   "hd_video",
	waE2E.MessageAssociation_HEVC_VIDEO_DUAL_UPLOAD: "hevc_video",
	waE2E.MessageAssociation_MOTION_PHOTO:           "motion_photo",
	waE2E.MessageAssociation_EVENT_COVER_IMAGE:      "event_cover",
	waE2E.MessageAssociation_MEDIA_POLL:             "poll_media",
}

// followers are the versions of a photo or video that its sender sends as messages of their own, by what the first one
// says of itself.
var followers = map[waE2E.ContextInfo_PairedMediaType]string{
	waE2E.ContextInfo_SD_IMAGE_PARENT:     "hd_image",
	waE2E.ContextInfo_SD_VIDEO_PARENT:     "hd_video",
	waE2E.ContextInfo_MOTION_PHOTO_PARENT: "motion_photo",
	waE2E.ContextInfo_HEVC_VIDEO_PARENT:   "hevc_video",
}

// addPart adds to which message the message belongs, and which version of it follows.
func (r *reading) addPart(info *waE2E.ContextInfo, out *message.Content) {
	out.FollowedBy = followers[info.GetPairedMediaType()]
	part := associationOf(r.event.RawMessage)
	if part == nil {
		part = associationOf(r.event.Message)
	}
	if part.GetAssociationType() == waE2E.MessageAssociation_UNKNOWN {
		return
	}
	name, known := partNames[part.GetAssociationType()]
	if !known {
		name = strings.ToLower(part.GetAssociationType().String())
	}
	out.PartOf = &message.Part{As: name, Message: r.ref(part.GetParentMessageKey())}
	if index := part.GetMessageIndex(); index > 0 && index <= maxParts {
		out.PartOf.Index = int(index)
	}
}

// associationOf returns what a message says about the message that it belongs to, outside or inside of its wrappers.
func associationOf(m *waE2E.Message) *waE2E.MessageAssociation {
	for range 8 {
		if part := m.GetMessageContextInfo().GetMessageAssociation(); part != nil {
			return part
		}
		if sent := m.GetDeviceSentMessage().GetMessage(); sent != nil {
			m = sent
			continue
		}
		_, m = wrapperOf(m)
		if m == nil {
			return nil
		}
	}
	return nil
}

func albumContent(m *waE2E.AlbumMessage) message.Content {
	return message.Content{Kind: message.KindAlbum, Album: &message.Album{
		Images: int(within(m.GetExpectedImageCount(), maxParts)), Videos: int(within(m.GetExpectedVideoCount(), maxParts)),
	}}
}
