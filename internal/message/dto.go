package message

import "time"

// This file has the JSON of contents. It is stored, and shown by events and the API. The tag clip bounds what is received:
// see Clip.

// Content is the content of a sent or received message. Kind says which fields are used. The JSON is stored and public.
type Content struct {
	Kind     Kind      `json:"kind"`
	Text     string    `json:"text,omitempty" clip:"65536"`    // the text of text and edit; the caption of image, video and document; the words of interactive, order, product, payment and group_invite
	Mentions []Address `json:"mentions,omitempty" clip:"1024"` // in a text, caption or edit; the text has them as @number
	Quote    *Ref      `json:"quote,omitempty"`                // the message that this one replies to
	// MentionsAll says that everybody in the chat is mentioned. Only in received messages, like GroupMentions: the groups that
	// the text names.
	MentionsAll   bool           `json:"mentions_all,omitempty"`
	GroupMentions []GroupMention `json:"group_mentions,omitempty" clip:"100"`
	Forwarded     *Forwarded     `json:"forwarded,omitempty"` // somebody else wrote it; only in received messages
	Spoiler       bool           `json:"spoiler,omitempty"`   // the apps hide it until it is tapped; only in received messages
	Question      bool           `json:"question,omitempty"`  // the apps ask for answers to it; only in received messages
	Preview       *Preview       `json:"preview,omitempty"`   // for text, and for edit
	Media         *Media         `json:"media,omitempty"`     // for the kinds that carry a file
	Location      *Location      `json:"location,omitempty"`
	Contacts      []Card         `json:"contacts,omitempty" clip:"1024"`
	Poll          *Poll          `json:"poll,omitempty"`
	Album         *Album         `json:"album,omitempty"`

	Event       *Occasion    `json:"event,omitempty"`    // for event, and for edit if an event was changed
	Response    *Response    `json:"response,omitempty"` // for event_response
	Pin         *Pin         `json:"pin,omitempty"`
	Keep        *Keep        `json:"keep,omitempty"`
	Call        *Call        `json:"call,omitempty"` // for scheduled_call and call_log
	StickerPack *StickerPack `json:"sticker_pack,omitempty"`

	// PartOf is set for a photo of an album, a better version of a photo, and whatever else belongs to another message. Only
	// in received messages, like FollowedBy: a better version of this photo or video follows as a message of its own, with
	// part_of. Its name is that of Part.As.
	PartOf     *Part  `json:"part_of,omitempty"`
	FollowedBy string `json:"followed_by,omitempty"`

	Reaction string `json:"reaction,omitempty"` // one emoji; "" removes the reaction
	Target   *Ref   `json:"target,omitempty"`   // the message that a reaction, edit, revoke, poll_vote, event_response, pin, keep, comment, payment or order is about
	// Options are the chosen answers of a poll_vote; empty removes the vote. An answer is sha256:… if the poll is
	// unknown.
	Options []string `json:"options,omitempty" clip:"100"`
	// Unknown is WhatsApp's name for a kind of message that this version does not know, or for a change of the target that
	// could not be decrypted, such as a vote in a poll whose secret is unknown. Only in received messages.
	Unknown string `json:"unknown,omitempty"`
	// Unauthorized marks an edit or a revocation by somebody who is neither the author of the message nor, for a
	// revocation, an admin of the group. Phones ignore it. Kind is unknown then, and Target the message that it names. Only
	// in received messages.
	Unauthorized bool `json:"unauthorized,omitempty"`
	Business          // what is offered, chosen, ordered and paid; only in received messages
	Expires      int  `json:"-"` // after how many seconds the message disappears; MessageData shows it
}

// Ref refers to a message, of the same chat unless Chat is set. The author is Sender if it is given, or the session's own account if FromMe
// is set. Otherwise the author of an edited or revoked message is the own account, and the author of a message that is
// quoted or reacted to in a chat with one person is that person. In a group, the author of a message that is quoted or
// reacted to must be given.
type Ref struct {
	ID     string  `json:"id"`                          // the WhatsApp message id
	Sender Address `json:"sender,omitzero"`             // the author
	FromMe bool    `json:"from_me"`                     // the session's own account is the author
	Text   string  `json:"text,omitempty" clip:"65536"` // the text that a quote shows
	Kind   Kind    `json:"kind,omitempty"`              // the kind of the quoted message, if known
	// Chat is the chat of the message if it is another one: a status that is answered, or a group whose message is
	// answered in private.
	Chat Address `json:"chat,omitzero"`
	// ServerID is WhatsApp's number of a channel's post. Only in reactions to one.
	ServerID int `json:"server_id,omitempty"`
	// Claimed says that only whoever quotes the message says what it said, and who wrote it: wasup does not have the message.
	// Of a message that wasup sent, it has the kind only. Only in received messages.
	Claimed bool `json:"claimed,omitempty"`
	// Product is the product that a quote shows: what a customer asks about. Only in received messages.
	Product *Product `json:"product,omitempty"`
}

// Address is a person, a group or another chat: exactly one of the fields below is set, or lid, pn or both for a person.
// WhatsApp identifies a person by a LID, a phone number, or both; an unknown one is "".
type Address struct {
	LID   string `json:"lid,omitempty" clip:"128,drop" doc:"digits@lid"`
	PN    string `json:"pn,omitempty" clip:"128,drop" doc:"digits@s.whatsapp.net"`
	Group string `json:"group,omitempty" clip:"128,drop" doc:"…@g.us"`
	// Status is the chat of all statuses, each of which has its author as its sender.
	Status  string `json:"status,omitempty" clip:"128,drop" doc:"status@broadcast: the chat of all statuses"`
	Channel string `json:"channel,omitempty" clip:"128,drop" doc:"…@newsletter"`
	// List is a broadcast list of the account itself. What comes by somebody else's list is in the chat with its sender.
	List string `json:"list,omitempty" clip:"128,drop" doc:"…@broadcast: a broadcast list of the account"`
	// Other is an address of another kind, such as that of an assistant. Nothing can be sent to it.
	Other string `json:"other,omitempty" clip:"128,drop" doc:"An address of another kind, such as …@bot"`
}

// Preview is a link preview. The sender gives all of it; wasup fetches nothing.
type Preview struct {
	URL         string `json:"url" clip:"2048"` // must occur in the text
	Title       string `json:"title,omitempty" clip:"1024"`
	Description string `json:"description,omitempty" clip:"1024"`
	Thumbnail   []byte `json:"thumbnail,omitempty"` // JPEG; base64 in JSON
}

// Media describes a file. For an outgoing message, File names the stored file. For an incoming one, Remote says where
// to download it.
type Media struct {
	ID       string `json:"id,omitempty"`   // for GET …/media/{id}; incoming only
	File     string `json:"file,omitempty"` // name of a file in media/outgoing; outgoing only
	Mime     string `json:"mime,omitempty"`
	Name     string `json:"name,omitempty"`   // file name of a document
	Size     int64  `json:"size"`             // bytes
	SHA256   string `json:"sha256,omitempty"` // of the decrypted bytes, lower-case hexadecimal
	Width    int    `json:"width,omitempty"`
	Height   int    `json:"height,omitempty"`
	Seconds  int    `json:"seconds,omitempty"`              // duration
	Waveform []byte `json:"waveform,omitempty" clip:"1024"` // of a voice note: 64 values from 0 to 100; base64 in JSON
	// Thumbnail is a small JPEG of an image, video or document; base64 in JSON. media/outgoing makes the one of an
	// image.
	Thumbnail []byte `json:"thumbnail,omitempty"`
	Animated  bool   `json:"animated,omitempty"` // an animated sticker; a video that plays like a GIF
	Round     bool   `json:"round,omitempty"`    // a video message: the apps show it as a circle
	ViewOnce  bool   `json:"view_once,omitempty"`
	Cut       bool   `json:"-"` // outgoing only: the picture is truncated
	// Unplayable is outgoing only: phones do not play this film.
	Unplayable bool    `json:"-"`
	Remote     *Remote `json:"-"` // never shown, because it holds the key
}

// Remote says where an incoming file is and how to decrypt it.
type Remote struct {
	ID         string `json:"id"` // Media.ID
	DirectPath string `json:"direct_path"`
	Key        []byte `json:"key"`
	FileSHA256 []byte `json:"file_sha256"`     // of the decrypted bytes
	EncSHA256  []byte `json:"enc_file_sha256"` // of the encrypted bytes
	Length     int64  `json:"length"`          // of the decrypted file, in bytes
	Kind       Kind   `json:"kind"`            // selects WhatsApp's media type, from which the keys are derived
}

// Bounded reports whether a file can be at this place: the path and the keys have sizes that WhatsApp uses. Nothing
// else bounds them, because they are in no JSON that Clip sees.
func (r *Remote) Bounded() bool {
	const path, key = 2048, 64
	return len(r.DirectPath) <= path && len(r.Key) <= key && len(r.FileSHA256) <= key && len(r.EncSHA256) <= key
}

// Location is a place, or the first position of a live location.
type Location struct {
	Latitude  float64 `json:"latitude"`  // degrees
	Longitude float64 `json:"longitude"` // degrees
	Name      string  `json:"name,omitempty" clip:"1024"`
	Address   string  `json:"address,omitempty" clip:"1024"`
	URL       string  `json:"url,omitempty" clip:"2048"`
	Live      bool    `json:"live,omitempty"` // received only
}

// Card is a contact that a message contains.
type Card struct {
	Name  string `json:"name" clip:"1024"`
	VCard string `json:"vcard" clip:"65536,drop"` // text/vcard, version 3.0 or 4.0
}

// Poll is a question with 2 to 12 answers.
type Poll struct {
	Question   string   `json:"question"`
	Options    []string `json:"options" clip:"100"`
	Selectable int      `json:"selectable"` // how many answers may be chosen; 0: any number
	// Quiz, Correct, EndsAt and HiddenNames are only in received messages: one answer is the right one, which one it is, when
	// the poll ends, and that nobody sees who chose what.
	Quiz        bool      `json:"quiz,omitempty"`
	Correct     string    `json:"correct,omitempty"`
	EndsAt      time.Time `json:"ends_at,omitzero"`
	HiddenNames bool      `json:"hidden_names,omitempty"`
}

// GroupMention is a group that a text names.
type GroupMention struct {
	Group Address `json:"group"`
	Name  string  `json:"name,omitempty" clip:"1024"` // as the sender's program wrote it
}

// Forwarded says that the sender passed the message on. The sender's program wrote all of it.
type Forwarded struct {
	// Times is how often the message was passed on, along its way to the sender; 0: not known. The apps show "forwarded many
	// times" from 5 on.
	Times       int     `json:"times"`
	Channel     Address `json:"channel,omitzero"`                   // the channel that the message comes from
	ChannelName string  `json:"channel_name,omitempty" clip:"1024"` // as the sender's program wrote it
	ServerID    int     `json:"server_id,omitempty"`                // WhatsApp's number of the channel's post
}
