package messages

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/wire"
	"wasup/internal/message"
)

// v1MessageNew is a message to send: the recipient, and the fields that its kind needs.
type v1MessageNew struct {
	To       wire.Chat      `json:"to" doc:"A phone number, an address, or the chat object of an event."`
	Kind     v1Sendable     `json:"kind,omitempty" doc:"If it is left out, the other fields determine it. A file becomes what phones can show of it, else a document; a sound becomes audio, not voice."`
	Text     string         `json:"text,omitempty" maxLength:"65536" doc:"The text of text and edit; the caption of image, video and document."`
	Mentions []wire.Someone `json:"mentions,omitempty" maxItems:"1024" doc:"The people whom the text names as @number."`
	Quote    *v1MessageRef  `json:"quote,omitempty" doc:"The message that is replied to."`
	Preview  *v1Preview     `json:"preview,omitempty" doc:"For text: the preview of a link. wasup fetches nothing for it."`
	Media    *v1MediaNew    `json:"media,omitempty" doc:"For image, video, audio, voice, document and sticker: the file."`
	Location *v1Location    `json:"location,omitempty"`
	Contacts []v1Card       `json:"contacts,omitempty" maxItems:"100"`
	Poll     *v1Poll        `json:"poll,omitempty"`
	Reaction *string        `json:"reaction,omitempty" maxLength:"64" doc:"One emoji. An empty one takes the reaction to the target back."`
	Target   *v1MessageRef  `json:"target,omitempty" doc:"For reaction, edit and revoke: the message to react to, edit or revoke."`
	SendAt   *time.Time     `json:"send_at,omitempty" doc:"The earliest time to send; at most ten years ahead."`
	Expires  int            `json:"expires_in,omitempty" minimum:"1" maximum:"31536000" doc:"Seconds from now, or from send_at, until the message expires. It then fails with cause expired."`
}

// v1MediaNew is a file. It comes from exactly one of url, base64 and upload.
type v1MediaNew struct {
	URL       string `json:"url,omitempty" maxLength:"4096" doc:"An http or https URL. wasup fetches the file before it answers."`
	Base64    string `json:"base64,omitempty" doc:"The file in base64, or a data: URL. It may be as large as media.max_size."`
	Upload    string `json:"upload,omitempty" maxLength:"200" doc:"The id that POST /v1/media gave."`
	Mime      string `json:"mime,omitempty" maxLength:"200" doc:"Used if the bytes do not show the type, or fit several types, such as plain text and ZIP. For a document it may be anything."`
	Name      string `json:"name,omitempty" maxLength:"255" doc:"File name of a document. It gets the extension of what the bytes show if it has none that is right for them."`
	Width     int    `json:"width,omitempty" minimum:"1" maximum:"65535" doc:"Pixels, for image, video and sticker. Default: read from the file, upright."`
	Height    int    `json:"height,omitempty" minimum:"1" maximum:"65535" doc:"Pixels. Give it together with width."`
	Seconds   int    `json:"seconds,omitempty" minimum:"1" maximum:"86400" doc:"Duration of video, audio and voice. Default: read from the file, if it says so."`
	Waveform  string `json:"waveform,omitempty" maxLength:"88" doc:"For voice: 64 bytes of 0 to 100, in base64."`
	Thumbnail string `json:"thumbnail,omitempty" maxLength:"87384" doc:"For image, video and document: a JPEG of at most 64 KiB, in base64. Default: wasup makes one for an image, and of the cover that a film has."`
	Animated  bool   `json:"animated,omitempty" doc:"A sticker that moves, or a video that plays like a GIF: by itself, again and again, without sound."`
	ViewOnce  bool   `json:"view_once,omitempty" doc:"The recipient can open it once only."`
}

type v1MessageRef struct {
	ID     string        `json:"id" minLength:"1" maxLength:"128" doc:"Its WhatsApp message id."`
	Sender *wire.Someone `json:"sender,omitempty" doc:"The author. Needed in groups, for messages of others."`
	FromMe bool          `json:"from_me,omitempty" doc:"The session's own account wrote it."`
	Text   string        `json:"text,omitempty" maxLength:"65536" doc:"For a quote: the text that it shows."`
	Kind   wire.Kind     `json:"kind,omitempty" doc:"Of the quoted message."`
	Chat   *wire.Chat    `json:"chat,omitempty" doc:"The chat of the message, if it is another one: of a status that is answered, status@broadcast or the chat object of its event."`

	ServerID int `json:"server_id,omitempty" minimum:"1" doc:"For a reaction to a post of a channel: the server_id of its event. Not needed while wasup has that event, which counts then."`
}

type v1Preview struct {
	URL         string `json:"url" minLength:"1" maxLength:"4096" doc:"The URL must be in the text."`
	Title       string `json:"title,omitempty" maxLength:"1024"`
	Description string `json:"description,omitempty" maxLength:"1024"`
	Thumbnail   string `json:"thumbnail,omitempty" maxLength:"87384" doc:"A JPEG of at most 64 KiB, in base64."`
}

type v1Location struct {
	Latitude  float64 `json:"latitude" minimum:"-90" maximum:"90" doc:"Degrees."`
	Longitude float64 `json:"longitude" minimum:"-180" maximum:"180" doc:"Degrees."`
	Name      string  `json:"name,omitempty" maxLength:"1024"`
	Address   string  `json:"address,omitempty" maxLength:"1024"`
	URL       string  `json:"url,omitempty" maxLength:"1024" doc:"An http or https address."`
}

type v1Card struct {
	Name  string `json:"name" minLength:"1" maxLength:"1024"`
	VCard string `json:"vcard" minLength:"1" maxLength:"65536" doc:"text/vcard, version 3.0 or 4.0."`
}

type v1Poll struct {
	Question   string   `json:"question" minLength:"1" maxLength:"255"`
	Options    []string `json:"options" minItems:"2" maxItems:"12" doc:"Each different, with 1 to 100 characters."`
	Selectable int      `json:"selectable,omitempty" minimum:"0" maximum:"12" doc:"How many options a voter may choose; 0: any number."`
}

type v1MessageList struct {
	Items      []wire.Message `json:"items"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1Upload struct {
	ID        string    `json:"id" doc:"Use it as media.upload of any number of messages."`
	Mime      string    `json:"mime" doc:"The type that the bytes show. If they fit several types, such as plain text and ZIP, it is the one that the request names, if any."`
	Size      int64     `json:"size" doc:"Bytes."`
	SHA256    string    `json:"sha256" doc:"The file's SHA-256 in hexadecimal."`
	Width     int       `json:"width,omitempty"`
	Height    int       `json:"height,omitempty"`
	Seconds   int       `json:"seconds,omitempty" doc:"Duration of a film or a sound, if the file says so."`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"When the file is deleted."`
}

// v1Sendable is an enumeration. Schema lists its values for the document and the checks.
type v1Sendable string

func (v1Sendable) Schema(huma.Registry) *huma.Schema { return wire.OneOf(message.SendableKinds()) }

type v1HeldMoved struct {
	Messages int `json:"messages" doc:"How many messages this request has moved."`
}
