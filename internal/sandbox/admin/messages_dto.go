package admin

import (
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/kinds"
	"wasup/internal/sandbox/phones"
)

// The public JSON of messages. Bytes are standard base64, JIDs are text. JIDs of accounts are by phone number.

type sendRequest struct {
	To         string              `json:"to" doc:"number or JID of a phone of this sandbox, or the JID of a group, a broadcast list, a channel, or status@broadcast" need:"yes"`
	Kind       string              `json:"kind" doc:"kind of the message; text when empty"`
	Text       string              `json:"text" doc:"the text, caption, question or emoji, or the new text of an edit"`
	Mentions   []string            `json:"mentions" doc:"mentioned numbers or JIDs"`
	Quote      string              `json:"quote" doc:"id of the quoted message"`
	QuoteText  string              `json:"quote_text" doc:"a false text of the quoted message"`
	Forged     bool                `json:"forged" doc:"whether to send an edit or a revocation to which the phone has no right; other phones ignore it"`
	Target     string              `json:"target" doc:"id of the message that a reaction, edit, revocation or vote applies to"`
	Preview    *phones.LinkPreview `json:"preview" doc:"link preview"`
	Media      *attachmentRequest  `json:"media" doc:"the file"`
	Location   *phones.Location    `json:"location" doc:"the location"`
	Contact    *phones.Contact     `json:"contact" doc:"the contact card"`
	Options    []string            `json:"options" doc:"options of a poll, the chosen options of a vote, or the id of what is chosen"`
	Selectable int                 `json:"selectable" doc:"maximum number of options in a vote; 0 for no limit"`
	ViewOnce   bool                `json:"view_once" doc:"whether the file can be opened only once"`
	Expiration uint32              `json:"expiration" doc:"seconds until the message disappears"`
	Details    *kinds.Details      `json:"details" doc:"fields of the kinds album, event, pin and so on, see docs/sandbox.md"`
	Part       *kinds.Part         `json:"part" doc:"the message to which a file belongs"`
	Business   *business.Content   `json:"business" doc:"for the kind business: what it offers, orders or pays; text is its body, media or location its header"`
	Referral   *business.Referral  `json:"referral" doc:"the advertisement that led to the chat"`
	Forwarded  *kinds.Forwarded    `json:"forwarded" doc:"says that somebody else wrote the message"`
	Raw        []byte              `json:"raw" doc:"for the kind raw: the encoded protobuf message, in base64"`
}

type attachmentRequest struct {
	Data      []byte `json:"data" doc:"the file in base64"`
	MIME      string `json:"mime" doc:"MIME type"`
	FileName  string `json:"file_name" doc:"file name of a document"`
	Width     int    `json:"width" doc:"in pixels"`
	Height    int    `json:"height" doc:"in pixels"`
	Seconds   int    `json:"seconds" doc:"duration of an audio or video in seconds"`
	Voice     bool   `json:"voice" doc:"whether it is a voice message"`
	Animated  bool   `json:"animated" doc:"whether a sticker is animated"`
	GIF       bool   `json:"gif" doc:"whether a video plays like a GIF"`
	Waveform  []byte `json:"waveform" doc:"waveform of a voice message, in base64"`
	Thumbnail []byte `json:"thumbnail" doc:"a small JPEG, in base64"`
}

type sendBody struct {
	ID string `json:"id" doc:"id of the message"`
}

type messageBody struct {
	ID     string    `json:"id" doc:"id, chosen by the sender"`
	Chat   string    `json:"chat" doc:"JID of the other account, of the group or list, or status@broadcast"`
	From   string    `json:"from" doc:"JID of the sender"`
	To     string    `json:"to" doc:"JID of the recipient"`
	Device uint16    `json:"device" doc:"device of the sender; 0 is the phone"`
	FromMe bool      `json:"from_me" doc:"whether the phone's own account sent it"`
	Type   string    `json:"type" doc:"type of the stanza: text, media, reaction, poll and so on"`
	Text   string    `json:"text" doc:"text; empty when the message has none"`
	Time   time.Time `json:"time" doc:"when it was sent"`
	Status string    `json:"status" doc:"delivery status" values:"statuses"`
	Copies int       `json:"copies" doc:"how many times it arrived with this id"`

	Kind       string              `json:"kind" doc:"kind of the message"`
	Name       string              `json:"name,omitempty" doc:"push name of the sender"`
	Broadcast  bool                `json:"broadcast,omitempty" doc:"whether it came by a broadcast list"`
	Target     string              `json:"target,omitempty" doc:"id of the message that it applies to"`
	Mentions   []string            `json:"mentions,omitempty" doc:"mentioned JIDs"`
	Quote      *quoteBody          `json:"quote,omitempty" doc:"the quoted message"`
	Preview    *phones.LinkPreview `json:"preview,omitempty" doc:"link preview"`
	Media      *mediaBody          `json:"media,omitempty" doc:"the file"`
	Location   *phones.Location    `json:"location,omitempty" doc:"the location"`
	Contact    *phones.Contact     `json:"contact,omitempty" doc:"the contact card"`
	Contacts   []phones.Contact    `json:"contacts,omitempty" doc:"all contact cards of a message with several; contact is the first"`
	Poll       *pollBody           `json:"poll,omitempty" doc:"options and votes of a poll"`
	Business   *business.Shown     `json:"business,omitempty" doc:"what a message of a business shows, and what was chosen"`
	Reactions  []reactionBody      `json:"reactions,omitempty" doc:"reactions of all accounts"`
	Edited     bool                `json:"edited,omitempty" doc:"whether the text was edited"`
	Revoked    bool                `json:"revoked,omitempty" doc:"whether it was deleted for everyone"`
	ViewOnce   bool                `json:"view_once,omitempty" doc:"whether the file can be opened only once"`
	Expiration uint32              `json:"expiration,omitempty" doc:"seconds until it disappears"`
	TimerSetAt int64               `json:"timer_set_at,omitempty" doc:"when the timer that it states was set, as Unix time"`
	Stays      bool                `json:"stays,omitempty" doc:"the phone says that the message will not disappear, although the chat's messages do"`
}

type quoteBody struct {
	ID   string `json:"id" doc:"id of the quoted message"`
	From string `json:"from" doc:"JID of its sender"`
	Text string `json:"text" doc:"text of the quoted message"`
	Kind string `json:"kind" doc:"what the quote shows; empty for an empty bubble"`
	Chat string `json:"chat,omitempty" doc:"JID of the chat of the quoted message, if it is another one"`
	// Found is false for a message that the phone does not have, and for one whose author is named in another form than
	// the group's.
	Found bool `json:"found" doc:"whether the phone has the quoted message, so that a tap leads to it"`

	Pictured bool `json:"pictured,omitempty" doc:"whether the quote has a small picture"`
}

// mediaBody describes the file of a message. URL is the path to download it decrypted.
type mediaBody struct {
	URL        string `json:"url" doc:"path to download the decrypted file"`
	MIME       string `json:"mime" doc:"MIME type"`
	FileName   string `json:"file_name,omitempty" doc:"file name of a document"`
	Size       int    `json:"size" doc:"in bytes"`
	Width      int    `json:"width,omitempty" doc:"in pixels"`
	Height     int    `json:"height,omitempty" doc:"in pixels"`
	Seconds    int    `json:"seconds,omitempty" doc:"duration of an audio or video in seconds"`
	Voice      bool   `json:"voice,omitempty" doc:"whether it is a voice message"`
	Animated   bool   `json:"animated,omitempty" doc:"whether a sticker is animated"`
	GIF        bool   `json:"gif,omitempty" doc:"whether a video plays like a GIF"`
	Waveform   []byte `json:"waveform,omitempty" doc:"waveform of a voice message, in base64"`
	Thumbnail  []byte `json:"thumbnail,omitempty" doc:"a small JPEG, in base64"`
	DirectPath string `json:"direct_path" doc:"path of the encrypted file on the server"`
}

type pollBody struct {
	Options    []optionBody `json:"options" doc:"options in their order"`
	Selectable int          `json:"selectable" doc:"maximum number of options in a vote; 0 for no limit"`
}

type optionBody struct {
	Name   string   `json:"name" doc:"text of the option"`
	Voters []string `json:"voters" doc:"JIDs of the voters"`
}

type reactionBody struct {
	From  string    `json:"from" doc:"JID of the account that reacted"`
	Emoji string    `json:"emoji" doc:"emoji of the reaction"`
	Time  time.Time `json:"time" doc:"when the reaction was sent"`
}

type messagesBody struct {
	Messages []messageBody `json:"messages" doc:"oldest first"`
}

func (in *sendRequest) outgoing() phones.Outgoing {
	out := phones.Outgoing{
		To: in.To, Kind: phones.Kind(in.Kind), Text: in.Text, Mentions: in.Mentions, Quote: in.Quote, QuoteText: in.QuoteText, Forged: in.Forged, Target: in.Target,
		Preview: in.Preview, Location: in.Location, Contact: in.Contact, Options: in.Options, Selectable: in.Selectable,
		ViewOnce: in.ViewOnce, Expiration: in.Expiration, Raw: in.Raw, Details: in.Details, Part: in.Part, Business: in.Business, Referral: in.Referral,
		Forwarded: in.Forwarded,
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
		Broadcast: m.Broadcast, Business: m.Business, Edited: m.Edited, Revoked: m.Revoked, ViewOnce: m.ViewOnce, Expiration: m.Expiration, TimerSetAt: m.TimerSetAt, Stays: m.Stays,
		Mentions: jidTexts(m.Mentions),
	}
	if m.Quote != nil {
		body.Quote = &quoteBody{m.Quote.ID, m.Quote.From.String(), m.Quote.Text, string(m.Quote.Kind), m.Quote.Chat, m.Quote.Found, m.Quote.Pictured}
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
