package kinds

import (
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
)

// Part says to which message a file belongs.
type Part struct {
	Of string `json:"of" doc:"id of the message" need:"yes"`
	As string `json:"as" doc:"how the file belongs to it: album, hd_image, hd_video or motion_photo" need:"yes"`
}

// associations are the ways in which a file belongs to another message, and whether its message is wrapped.
var associations = map[string]struct {
	kind    waE2E.MessageAssociation_AssociationType
	wrapped bool
}{
	"album":        {waE2E.MessageAssociation_MEDIA_ALBUM, false},
	"hd_image":     {waE2E.MessageAssociation_HD_IMAGE_DUAL_UPLOAD, true},
	"hd_video":     {waE2E.MessageAssociation_HD_VIDEO_DUAL_UPLOAD, true},
	"motion_photo": {waE2E.MessageAssociation_MOTION_PHOTO, true},
}

// Valid reports whether the part names a message and how it belongs to it.
func (p *Part) Valid() bool {
	_, known := associations[p.As]
	return known && p.Of != ""
}

// Attach says in a message with a file to which other message it belongs, and returns it.
func (p *Part) Attach(content *waE2E.Message, parent *waCommon.MessageKey) *waE2E.Message {
	how := associations[p.As]
	content.MessageContextInfo = &waE2E.MessageContextInfo{MessageAssociation: &waE2E.MessageAssociation{
		AssociationType: how.kind.Enum(), ParentMessageKey: parent,
	}}
	if !how.wrapped {
		return content
	}
	return &waE2E.Message{AssociatedChildMessage: &waE2E.FutureProofMessage{Message: content}}
}
