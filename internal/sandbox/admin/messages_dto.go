package admin

import (
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// The public JSON of messages. Bytes are standard base64, JIDs text; of accounts they are by phone number.

type sendRequest struct {
	To         string              `json:"to" doc:"the number or JID of a phone of this sandbox" need:"yes"`
	Kind       string              `json:"kind" doc:"text when empty"`
	Text       string              `json:"text" doc:"what is said: of a text, a caption, a question, an emoji, or the new text of an edit"`
	Mentions   []string            `json:"mentions" doc:"numbers or JIDs"`
	Quote      string              `json:"quote" doc:"the id of the message it answers"`
	Target     string              `json:"target" doc:"the id of the message that a reaction, edit, revocation or vote is about"`
	Preview    *phones.LinkPreview `json:"preview" doc:"of a link"`
	Media      *attachmentRequest  `json:"media" doc:"the file"`
	Location   *phones.Location    `json:"location" doc:"the place"`
	Contact    *phones.Contact     `json:"contact" doc:"the card"`
	Options    []string            `json:"options" doc:"of a poll, or those that a vote chooses"`
	Selectable int                 `json:"selectable" doc:"how many options a vote may choose; 0 for any"`
	ViewOnce   bool                `json:"view_once" doc:"the file can be opened once"`
	Expiration uint32              `json:"expiration" doc:"seconds until the message disappears"`
	Raw        []byte              `json:"raw" doc:"of the kind raw: the message as WhatsApp's clients encode it, in base64"`
}

type attachmentRequest struct {
	Data      []byte `json:"data" doc:"in base64"`
	MIME      string `json:"mime" doc:"its type"`
	FileName  string `json:"file_name" doc:"of a document"`
	Width     int    `json:"width" doc:"in pixels"`
	Height    int    `json:"height" doc:"in pixels"`
	Seconds   int    `json:"seconds" doc:"how long it plays"`
	Voice     bool   `json:"voice" doc:"a voice message"`
	Animated  bool   `json:"animated" doc:"a sticker that moves"`
	GIF       bool   `json:"gif" doc:"a video that plays as a GIF"`
	Waveform  []byte `json:"waveform" doc:"of a voice message, in base64"`
	Thumbnail []byte `json:"thumbnail" doc:"a small JPEG, in base64"`
}

type sendBody struct {
	ID string `json:"id" doc:"of the message"`
}

type messageBody struct {
	ID     string    `json:"id" doc:"chosen by its sender"`
	Chat   string    `json:"chat" doc:"the other side"`
	From   string    `json:"from" doc:"the account that sent it"`
	To     string    `json:"to" doc:"the account it was sent to"`
	Device uint16    `json:"device" doc:"of the sending account; 0 is the phone"`
	FromMe bool      `json:"from_me" doc:"sent by the phone's own account"`
	Type   string    `json:"type" doc:"the stanza's type: text, media, reaction, poll and so on"`
	Text   string    `json:"text" doc:"empty where the message has none"`
	Time   time.Time `json:"time" doc:"when it was sent"`
	Status string    `json:"status" doc:"how far it has come" values:"statuses"`
	Copies int       `json:"copies" doc:"how often it arrived under its id"`

	Kind       string              `json:"kind" doc:"what it is"`
	Name       string              `json:"name,omitempty" doc:"that the sender goes by"`
	Target     string              `json:"target,omitempty" doc:"the message it is about"`
	Mentions   []string            `json:"mentions,omitempty" doc:"JIDs"`
	Quote      *quoteBody          `json:"quote,omitempty" doc:"what it answers"`
	Preview    *phones.LinkPreview `json:"preview,omitempty" doc:"of a link"`
	Media      *mediaBody          `json:"media,omitempty" doc:"the file"`
	Location   *phones.Location    `json:"location,omitempty" doc:"the place"`
	Contact    *phones.Contact     `json:"contact,omitempty" doc:"the card"`
	Contacts   []phones.Contact    `json:"contacts,omitempty" doc:"the cards of a message that has several; contact is the first"`
	Poll       *pollBody           `json:"poll,omitempty" doc:"its options and votes"`
	Reactions  []reactionBody      `json:"reactions,omitempty" doc:"of everybody"`
	Edited     bool                `json:"edited,omitempty" doc:"its text was changed"`
	Revoked    bool                `json:"revoked,omitempty" doc:"it was deleted for everybody"`
	ViewOnce   bool                `json:"view_once,omitempty" doc:"the file can be opened once"`
	Expiration uint32              `json:"expiration,omitempty" doc:"seconds until it disappears"`
}

type quoteBody struct {
	ID   string `json:"id" doc:"of the message"`
	From string `json:"from" doc:"who wrote it"`
	Text string `json:"text" doc:"of it"`
}

// mediaBody describes a file; URL is the path of its decrypted bytes.
type mediaBody struct {
	URL        string `json:"url" doc:"the path of the decrypted bytes"`
	MIME       string `json:"mime" doc:"its type"`
	FileName   string `json:"file_name,omitempty" doc:"of a document"`
	Size       int    `json:"size" doc:"in bytes"`
	Width      int    `json:"width,omitempty" doc:"in pixels"`
	Height     int    `json:"height,omitempty" doc:"in pixels"`
	Seconds    int    `json:"seconds,omitempty" doc:"how long it plays"`
	Voice      bool   `json:"voice,omitempty" doc:"a voice message"`
	Animated   bool   `json:"animated,omitempty" doc:"a sticker that moves"`
	GIF        bool   `json:"gif,omitempty" doc:"a video that plays as a GIF"`
	Waveform   []byte `json:"waveform,omitempty" doc:"of a voice message, in base64"`
	Thumbnail  []byte `json:"thumbnail,omitempty" doc:"a small JPEG, in base64"`
	DirectPath string `json:"direct_path" doc:"where it lies on the server, encrypted"`
}

type pollBody struct {
	Options    []optionBody `json:"options" doc:"in their order"`
	Selectable int          `json:"selectable" doc:"how many a vote may choose; 0 for any"`
}

type optionBody struct {
	Name   string   `json:"name" doc:"of the option"`
	Voters []string `json:"voters" doc:"JIDs"`
}

type reactionBody struct {
	From  string    `json:"from" doc:"who reacted"`
	Emoji string    `json:"emoji" doc:"what with"`
	Time  time.Time `json:"time" doc:"when"`
}

type messagesBody struct {
	Messages []messageBody `json:"messages" doc:"oldest first"`
}

func (in *sendRequest) outgoing() phones.Outgoing {
	out := phones.Outgoing{
		To: in.To, Kind: phones.Kind(in.Kind), Text: in.Text, Mentions: in.Mentions, Quote: in.Quote, Target: in.Target,
		Preview: in.Preview, Location: in.Location, Contact: in.Contact, Options: in.Options, Selectable: in.Selectable,
		ViewOnce: in.ViewOnce, Expiration: in.Expiration, Raw: in.Raw,
	}
	if in.Media != nil {
		file := phones.Attachment(*in.Media)
		out.Media = &file
	}
	return out
}

func messageJSON(phone *sandbox.Phone, m phones.Message) messageBody {
	body := messageBody{
		ID: m.ID, Chat: m.Chat.String(), From: m.From.String(), To: m.To.String(), Device: m.Device,
		FromMe: m.FromMe, Type: m.Type, Text: m.Text, Time: m.Time, Status: string(m.Status), Copies: m.Copies,
		Kind: string(m.Kind), Name: m.Name, Target: m.Target, Preview: m.Preview, Location: m.Location, Contact: m.Contact, Contacts: m.Contacts,
		Edited: m.Edited, Revoked: m.Revoked, ViewOnce: m.ViewOnce, Expiration: m.Expiration,
		Mentions: jidTexts(m.Mentions),
	}
	if m.Quote != nil {
		body.Quote = &quoteBody{m.Quote.ID, m.Quote.From.String(), m.Quote.Text}
	}
	if f := m.Media; f != nil {
		body.Media = &mediaBody{
			URL: Prefix + "/phones/" + phone.Number() + "/messages/" + m.ID + "/media", MIME: f.MIME, FileName: f.FileName, Size: f.Size,
			Width: f.Width, Height: f.Height, Seconds: f.Seconds, Voice: f.Voice, Animated: f.Animated, GIF: f.GIF,
			Waveform: f.Waveform, Thumbnail: f.Thumbnail, DirectPath: f.DirectPath,
		}
	}
	if m.Poll != nil {
		body.Poll = &pollBody{Options: []optionBody{}, Selectable: m.Poll.Selectable}
		for _, option := range m.Poll.Options {
			body.Poll.Options = append(body.Poll.Options, optionBody{option.Name, append([]string{}, jidTexts(option.Voters)...)})
		}
	}
	for _, reaction := range m.Reactions {
		body.Reactions = append(body.Reactions, reactionBody{reaction.From.String(), reaction.Emoji, reaction.Time})
	}
	return body
}

func jidTexts(jids []types.JID) []string {
	var texts []string
	for _, jid := range jids {
		texts = append(texts, jid.String())
	}
	return texts
}
