package httpapi

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/session"
)

// v1MessageNew is a message to send: to, and what its kind needs.
type v1MessageNew struct {
	To       string        `json:"to" minLength:"1" maxLength:"100" doc:"A phone number with country code in any usual spelling, or the address of a person or a group, such as 5491155550101@s.whatsapp.net, 123456@lid, 1203630000@g.us."`
	Kind     v1Sendable    `json:"kind,omitempty" doc:"Left out: what the other fields say. A file goes by its type, and a file of sound is audio, not voice."`
	Text     string        `json:"text,omitempty" maxLength:"65536" doc:"Of text and edit; the caption of image, video and document."`
	Mentions []v1Someone   `json:"mentions,omitempty" maxItems:"1024" doc:"Who the text names as @number."`
	Quote    *v1MessageRef `json:"quote,omitempty" doc:"The message that is replied to."`
	Preview  *v1Preview    `json:"preview,omitempty" doc:"Of text: what a link leads to. Nothing is fetched for it."`
	Media    *v1MediaNew   `json:"media,omitempty" doc:"Of image, video, audio, voice, document and sticker: where the file comes from."`
	Location *v1Location   `json:"location,omitempty"`
	Contacts []v1Card      `json:"contacts,omitempty" maxItems:"100"`
	Poll     *v1Poll       `json:"poll,omitempty"`
	Reaction string        `json:"reaction,omitempty" maxLength:"64" doc:"One emoji; with kind reaction, none takes the reaction back."`
	Target   *v1MessageRef `json:"target,omitempty" doc:"Of reaction, edit and revoke: the message that is meant."`
	SendAt   *time.Time    `json:"send_at,omitempty" doc:"Not before then; at most ten years ahead."`
	Expires  int           `json:"expires_in,omitempty" minimum:"1" maximum:"31536000" doc:"Seconds from now on, or from send_at, after which it is not sent any more: it fails with cause expired."`
}

// v1MediaNew is where a file comes from: exactly one of url, base64 and upload.
type v1MediaNew struct {
	URL       string `json:"url,omitempty" maxLength:"4096" doc:"An http or https address to fetch it from, now."`
	Base64    string `json:"base64,omitempty" doc:"The file itself; a data: URL is taken too. It may be as large as media.max_size."`
	Upload    string `json:"upload,omitempty" maxLength:"200" doc:"The id that POST /v1/media gave."`
	Mime      string `json:"mime,omitempty" maxLength:"200" doc:"What the bytes are unless they do not say; of a document it may be anything."`
	Name      string `json:"name,omitempty" maxLength:"255" doc:"File name, of documents."`
	Width     int    `json:"width,omitempty" minimum:"1" maximum:"65535" doc:"Pixels, of image, video and sticker; left out: what the bytes say."`
	Height    int    `json:"height,omitempty" minimum:"1" maximum:"65535" doc:"Pixels; given together with width."`
	Seconds   int    `json:"seconds,omitempty" minimum:"1" maximum:"86400" doc:"Duration of video, audio and voice; left out: what the bytes say."`
	Waveform  string `json:"waveform,omitempty" maxLength:"88" doc:"Of voice: 64 bytes of 0 to 100, in base64."`
	Thumbnail string `json:"thumbnail,omitempty" maxLength:"87384" doc:"Of image, video and document: a JPEG of at most 64 KiB, in base64; left out: made of an image."`
	Animated  bool   `json:"animated,omitempty" doc:"Of stickers."`
	ViewOnce  bool   `json:"view_once,omitempty" doc:"It can be opened once only."`
}

type v1MessageRef struct {
	ID     string     `json:"id" minLength:"1" maxLength:"128" doc:"Its WhatsApp message id."`
	Sender *v1Someone `json:"sender,omitempty" doc:"Who wrote it; needed in groups, for messages of others."`
	FromMe bool       `json:"from_me,omitempty" doc:"The session's own account wrote it."`
	Text   string     `json:"text,omitempty" maxLength:"65536" doc:"What a quote shows of it."`
	Kind   v1Kind     `json:"kind,omitempty" doc:"Of the quoted message."`
}

type v1Preview struct {
	URL         string `json:"url" minLength:"1" maxLength:"4096" doc:"It must be in the text."`
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
	Options    []string `json:"options" minItems:"2" maxItems:"12" doc:"Different from each other, of 1 to 100 characters."`
	Selectable int      `json:"selectable,omitempty" minimum:"0" maximum:"12" doc:"How many may be chosen; 0: any number."`
}

// v1Message is a message that was accepted.
type v1Message struct {
	ID          string         `json:"id" doc:"The WhatsApp message id. It stays the same whatever happens."`
	SessionID   string         `json:"session_id"`
	To          string         `json:"to"`
	Kind        v1Kind         `json:"kind"`
	State       v1MessageState `json:"state" doc:"How far it has come."`
	Cause       v1Code         `json:"cause,omitempty" doc:"Of failed: why. Of queued: why the last attempt failed."`
	Error       string         `json:"error,omitempty" doc:"The cause in one sentence for people."`
	Content     *v1Content     `json:"content,omitempty" doc:"Kept while it may be sent."`
	Key         string         `json:"idempotency_key,omitempty"`
	Attempts    int            `json:"attempts" doc:"Begun so far."`
	CanRequeue  bool           `json:"can_requeue,omitempty" doc:"It failed before WhatsApp had it: POST …/requeue tries once more."`
	CreatedAt   time.Time      `json:"created_at,omitzero"`
	UpdatedAt   time.Time      `json:"updated_at,omitzero"`
	SendAt      time.Time      `json:"send_at,omitzero" doc:"Not before then."`
	ExpiresAt   time.Time      `json:"expires_at,omitzero" doc:"Not after then."`
	AckedAt     time.Time      `json:"server_ack_at,omitzero" doc:"WhatsApp's server has had it since."`
	DeliveredAt time.Time      `json:"delivered_at,omitzero"`
	ReadAt      time.Time      `json:"read_at,omitzero"`
	PlayedAt    time.Time      `json:"played_at,omitzero"`
	Receipts    []v1Receipt    `json:"receipts,omitempty" doc:"What each device of each recipient said, where one message is asked for."`
	Session     *v1MessageHost `json:"session,omitempty" doc:"The session at this moment: a message waits until it is READY."`
}

type v1MessageHost struct {
	State   v1State `json:"state"`
	Cause   v1Cause `json:"cause"`
	CanSend bool    `json:"can_send"`
}

type v1Receipt struct {
	Recipient   v1Address `json:"recipient"`
	Device      int       `json:"device" doc:"The number of the device; 0 is the phone."`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	ReadAt      time.Time `json:"read_at,omitzero"`
	PlayedAt    time.Time `json:"played_at,omitzero"`
}

// v1Address is how answers name a person or a group.
type v1Address struct {
	LID   string `json:"lid,omitempty" doc:"digits@lid"`
	PN    string `json:"pn,omitempty" doc:"digits@s.whatsapp.net"`
	Group string `json:"group,omitempty" doc:"…@g.us"`
}

// v1Content is what a message says. It is shown as it is kept.
type v1Content session.Content

type v1MessageList struct {
	Items      []v1Message `json:"items"`
	NextCursor string      `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1ReadMark struct {
	IDs    []string   `json:"ids" minItems:"1" maxItems:"500" doc:"WhatsApp message ids, all of one sender."`
	Sender *v1Someone `json:"sender,omitempty" doc:"Who wrote them; needed in groups."`
	Played bool       `json:"played,omitempty" doc:"Voice notes were played."`
}

type v1Presence struct {
	State v1ChatState `json:"state" doc:"WhatsApp shows typing and recording for a short time only: send it again while it lasts."`
}

type v1ContactsAsk struct {
	Phones []string `json:"phones" minItems:"1" maxItems:"100" doc:"Numbers with country code, in any usual spelling."`
}

type v1ContactList struct {
	Items []v1Contact `json:"items" doc:"In the order of the question."`
}

type v1Contact struct {
	Phone      string     `json:"phone" doc:"As it was asked for."`
	OnWhatsApp bool       `json:"on_whatsapp"`
	Address    *v1Address `json:"address,omitempty"`
	Business   string     `json:"business,omitempty" doc:"The verified name of a business."`
}

type v1Upload struct {
	ID        string    `json:"id" doc:"media.upload of a message takes it, of as many messages as there are."`
	Mime      string    `json:"mime" doc:"What the bytes are."`
	Size      int64     `json:"size" doc:"Bytes."`
	SHA256    string    `json:"sha256" doc:"Of the bytes, in hexadecimal."`
	Width     int       `json:"width,omitempty"`
	Height    int       `json:"height,omitempty"`
	Seconds   int       `json:"seconds,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"It is deleted then."`
}

// The closed sets. Each gives the document and the checks its own values.
type (
	v1Kind         string
	v1Sendable     string
	v1MessageState string
	v1ChatState    string
	v1Code         string
)

func (v1Kind) Schema(huma.Registry) *huma.Schema {
	return oneOf(append(session.SendableKinds(), session.KindPollVote, session.KindUnknown))
}
func (v1Sendable) Schema(huma.Registry) *huma.Schema     { return oneOf(session.SendableKinds()) }
func (v1MessageState) Schema(huma.Registry) *huma.Schema { return oneOf(session.MessageStates()) }
func (v1ChatState) Schema(huma.Registry) *huma.Schema {
	return oneOf([]session.ChatState{session.ChatTyping, session.ChatRecording, session.ChatPaused})
}

func (v1Code) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, doc := range session.Codes() {
		s.Enum = append(s.Enum, string(doc.Code))
	}
	return s
}

// Schema is any object: events show the same content, and its fields are documented where they are sent.
func (v1Content) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "The fields of a message to send; of media what is known of the file instead of where it came from."}
}

// MarshalJSON leaves out where the file is kept here.
func (c v1Content) MarshalJSON() ([]byte, error) {
	plain := session.Content(c)
	if plain.Media != nil {
		media := *plain.Media
		media.File = ""
		plain.Media = &media
	}
	return json.Marshal(plain)
}

// v1Someone names a person: a phone number in any usual spelling or an address, or an object as answers have it.
type v1Someone struct {
	text    string
	address v1Address
}

func (v1Someone) Schema(huma.Registry) *huma.Schema {
	most := 100
	text := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, MaxLength: &most, Description: doc}
	}
	object := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"lid": text("digits@lid"), "pn": text("digits@s.whatsapp.net")},
	}
	s := &huma.Schema{OneOf: []*huma.Schema{text("A phone number with country code, or an address."), object}}
	for _, each := range append(s.OneOf, object.Properties["lid"], object.Properties["pn"]) {
		each.PrecomputeMessages()
	}
	return s
}

// MarshalJSON writes what was read.
func (s v1Someone) MarshalJSON() ([]byte, error) {
	if s.text != "" {
		return json.Marshal(s.text)
	}
	return json.Marshal(s.address)
}

func (s *v1Someone) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &s.text)
	}
	return json.Unmarshal(text, &s.address)
}
