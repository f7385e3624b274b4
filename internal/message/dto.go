package message

// The JSON of contents: as they are stored, and as events and the API show them.

// Content is what a message says, sent and received alike. Kind tells which fields count; its JSON form is stored and
// public.
type Content struct {
	Kind     Kind      `json:"kind"`
	Text     string    `json:"text,omitempty"`     // of text and edit; the caption of image, video and document
	Mentions []Address `json:"mentions,omitempty"` // of text, captions and edit; the text names them as @number
	Quote    *Ref      `json:"quote,omitempty"`    // the message that is replied to
	Preview  *Preview  `json:"preview,omitempty"`  // of text
	Media    *Media    `json:"media,omitempty"`    // of the kinds that carry a file
	Location *Location `json:"location,omitempty"`
	Contacts []Card    `json:"contacts,omitempty"`
	Poll     *Poll     `json:"poll,omitempty"`
	Reaction string    `json:"reaction,omitempty"` // one emoji; "" takes the reaction back
	Target   *Ref      `json:"target,omitempty"`   // of reaction, edit, revoke and poll_vote
	Options  []string  `json:"options,omitempty"`  // of poll_vote: what was chosen; empty takes the vote back. sha256:… where the poll is not known
	// Unknown is what WhatsApp calls the kind of a message that this version does not know, or content that could not be
	// opened: a vote in a poll whose secret is not known, for one. Received only.
	Unknown string `json:"unknown,omitempty"`
	Expires int    `json:"-"` // seconds; MessageData shows it
}

// Ref points at a message of the same chat. Who wrote it is Sender; else, with FromMe, the session's own account;
// else it follows: edited and revoked is what the own account wrote, and what is quoted or reacted to in a chat with one
// person was written by that person. In a group the author of what is quoted or reacted to has to be named.
type Ref struct {
	ID     string  `json:"id"`              // its WhatsApp message id
	Sender Address `json:"sender,omitzero"` // who wrote it
	FromMe bool    `json:"from_me"`         // the session's own account wrote it
	Text   string  `json:"text,omitempty"`  // what a quote shows of it
	Kind   Kind    `json:"kind,omitempty"`  // of the quoted message, where it is known
}

// Address is a person or a group. WhatsApp names a person by a LID, a phone number, or both; what is not known is "".
type Address struct {
	LID   string `json:"lid,omitempty" doc:"digits@lid"`
	PN    string `json:"pn,omitempty" doc:"digits@s.whatsapp.net"`
	Group string `json:"group,omitempty" doc:"…@g.us"` // also status@broadcast and newsletters
}

// Preview is a link preview as the sender gives it. wasup fetches nothing for it.
type Preview struct {
	URL         string `json:"url"` // must occur in the text
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Thumbnail   []byte `json:"thumbnail,omitempty"` // JPEG; base64 in JSON
}

// Media describes a file. Of an outgoing message File says where the bytes are kept; of an incoming one Remote says how
// to get them.
type Media struct {
	ID       string `json:"id,omitempty"`   // of GET …/media/{id}; incoming only
	File     string `json:"file,omitempty"` // a file of the spool; outgoing only
	Mime     string `json:"mime,omitempty"`
	Name     string `json:"name,omitempty"`   // file name, of documents
	Size     int64  `json:"size"`             // bytes
	SHA256   string `json:"sha256,omitempty"` // of the plain bytes, lower-case hexadecimal
	Width    int    `json:"width,omitempty"`
	Height   int    `json:"height,omitempty"`
	Seconds  int    `json:"seconds,omitempty"`  // duration
	Waveform []byte `json:"waveform,omitempty"` // of voice: 64 values of 0 to 100; base64 in JSON
	// Thumbnail is a small JPEG of image, video and document; base64 in JSON. The spool makes that of an image.
	Thumbnail []byte  `json:"thumbnail,omitempty"`
	Animated  bool    `json:"animated,omitempty"` // of stickers
	ViewOnce  bool    `json:"view_once,omitempty"`
	Cut       bool    `json:"-"` // of what the spool has looked at: a picture that breaks off
	Remote    *Remote `json:"-"` // never shown: it holds the key
}

// Remote is where an incoming file is and how it is decrypted.
type Remote struct {
	ID         string `json:"id"` // Media.ID, by which the file is asked for
	DirectPath string `json:"direct_path"`
	Key        []byte `json:"key"`
	FileSHA256 []byte `json:"file_sha256"`     // of the plain bytes
	EncSHA256  []byte `json:"enc_file_sha256"` // of the encrypted ones
	Length     int64  `json:"length"`          // bytes, plain
	Kind       Kind   `json:"kind"`            // which of WhatsApp's media keys applies
}

// Location is a place, or the first position of a live location.
type Location struct {
	Latitude  float64 `json:"latitude"`  // degrees
	Longitude float64 `json:"longitude"` // degrees
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
	URL       string  `json:"url,omitempty"`
	Live      bool    `json:"live,omitempty"` // received only
}

// Card is a contact that is passed on.
type Card struct {
	Name  string `json:"name"`
	VCard string `json:"vcard"` // as text/vcard, version 3.0 or 4.0
}

// Poll is a question with 2 to 12 answers.
type Poll struct {
	Question   string   `json:"question"`
	Options    []string `json:"options"`
	Selectable int      `json:"selectable"` // how many may be chosen; 0: any number
}
