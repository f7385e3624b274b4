package admin

import (
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/sandbox"
)

// The public JSON of messages. Bytes are standard base64, JIDs text; of accounts they are by phone number.

type sendRequest struct {
	To         string               `json:"to"`
	Kind       string               `json:"kind"`
	Text       string               `json:"text"`
	Mentions   []string             `json:"mentions"`
	Quote      string               `json:"quote"`
	Target     string               `json:"target"`
	Preview    *sandbox.LinkPreview `json:"preview"`
	Media      *attachmentRequest   `json:"media"`
	Location   *sandbox.Location    `json:"location"`
	Contact    *sandbox.Contact     `json:"contact"`
	Options    []string             `json:"options"`
	Selectable int                  `json:"selectable"`
	ViewOnce   bool                 `json:"view_once"`
	Expiration uint32               `json:"expiration"`
}

type attachmentRequest struct {
	Data      []byte `json:"data"`
	MIME      string `json:"mime"`
	FileName  string `json:"file_name"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	Seconds   int    `json:"seconds"`
	Voice     bool   `json:"voice"`
	Animated  bool   `json:"animated"`
	GIF       bool   `json:"gif"`
	Waveform  []byte `json:"waveform"`
	Thumbnail []byte `json:"thumbnail"`
}

type sendBody struct {
	ID string `json:"id"`
}

type messageBody struct {
	ID     string    `json:"id"`
	Chat   string    `json:"chat"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Device uint16    `json:"device"`
	FromMe bool      `json:"from_me"`
	Type   string    `json:"type"`
	Text   string    `json:"text"`
	Time   time.Time `json:"time"`
	Status string    `json:"status"`
	Copies int       `json:"copies"`

	Kind       string               `json:"kind"`
	Name       string               `json:"name,omitempty"`
	Target     string               `json:"target,omitempty"`
	Mentions   []string             `json:"mentions,omitempty"`
	Quote      *quoteBody           `json:"quote,omitempty"`
	Preview    *sandbox.LinkPreview `json:"preview,omitempty"`
	Media      *mediaBody           `json:"media,omitempty"`
	Location   *sandbox.Location    `json:"location,omitempty"`
	Contact    *sandbox.Contact     `json:"contact,omitempty"`
	Poll       *pollBody            `json:"poll,omitempty"`
	Reactions  []reactionBody       `json:"reactions,omitempty"`
	Edited     bool                 `json:"edited,omitempty"`
	Revoked    bool                 `json:"revoked,omitempty"`
	ViewOnce   bool                 `json:"view_once,omitempty"`
	Expiration uint32               `json:"expiration,omitempty"`
}

type quoteBody struct {
	ID   string `json:"id"`
	From string `json:"from"`
	Text string `json:"text"`
}

// mediaBody describes a file; URL is the path of its decrypted bytes.
type mediaBody struct {
	URL        string `json:"url"`
	MIME       string `json:"mime"`
	FileName   string `json:"file_name,omitempty"`
	Size       int    `json:"size"`
	Width      int    `json:"width,omitempty"`
	Height     int    `json:"height,omitempty"`
	Seconds    int    `json:"seconds,omitempty"`
	Voice      bool   `json:"voice,omitempty"`
	Animated   bool   `json:"animated,omitempty"`
	GIF        bool   `json:"gif,omitempty"`
	Waveform   []byte `json:"waveform,omitempty"`
	Thumbnail  []byte `json:"thumbnail,omitempty"`
	DirectPath string `json:"direct_path"`
}

type pollBody struct {
	Options    []optionBody `json:"options"`
	Selectable int          `json:"selectable"`
}

type optionBody struct {
	Name   string   `json:"name"`
	Voters []string `json:"voters"`
}

type reactionBody struct {
	From  string    `json:"from"`
	Emoji string    `json:"emoji"`
	Time  time.Time `json:"time"`
}

type messagesBody struct {
	Messages []messageBody `json:"messages"`
}

func (in *sendRequest) outgoing() sandbox.Outgoing {
	out := sandbox.Outgoing{
		To: in.To, Kind: sandbox.Kind(in.Kind), Text: in.Text, Mentions: in.Mentions, Quote: in.Quote, Target: in.Target,
		Preview: in.Preview, Location: in.Location, Contact: in.Contact, Options: in.Options, Selectable: in.Selectable,
		ViewOnce: in.ViewOnce, Expiration: in.Expiration,
	}
	if in.Media != nil {
		file := sandbox.Attachment(*in.Media)
		out.Media = &file
	}
	return out
}

func messageJSON(phone *sandbox.Phone, m sandbox.Message) messageBody {
	body := messageBody{
		ID: m.ID, Chat: m.Chat.String(), From: m.From.String(), To: m.To.String(), Device: m.Device,
		FromMe: m.FromMe, Type: m.Type, Text: m.Text, Time: m.Time, Status: string(m.Status), Copies: m.Copies,
		Kind: string(m.Kind), Name: m.Name, Target: m.Target, Preview: m.Preview, Location: m.Location, Contact: m.Contact,
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
