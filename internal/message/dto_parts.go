package message

// This file has the JSON of messages that belong together: the photos of an album, and the versions of one photo.

// Part says to which message another one belongs.
type Part struct {
	// As says how: album, hd_image, hd_video, hevc_video, motion_photo, event_cover, poll_media, or WhatsApp's own name in
	// lower case for any other way.
	As      string `json:"as"`
	Message *Ref   `json:"message,omitempty"` // the message that it belongs to
	Index   int    `json:"index,omitempty"`   // its place among the parts, if the sender gave one
}

// Album announces photos and videos that follow as messages of their own, each with part_of.
type Album struct {
	Images int `json:"images"` // how many are expected
	Videos int `json:"videos"`
}
