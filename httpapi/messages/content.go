package messages

import (
	"encoding/base64"
	"fmt"
	"strings"

	"wasup/httpapi/rest"
	"wasup/internal/message"
)

// kind returns the kind of the message: the one that it names, or the one that its other fields imply. An empty reaction
// with a target takes a reaction back; without one it comes from a program that writes every field.
func (in *v1MessageNew) kind() message.Kind {
	switch {
	case in.Kind != "":
		return message.Kind(in.Kind)
	case in.Media != nil:
		return kindOfFile(message.Media{Mime: in.Media.Mime})
	case in.Location != nil:
		return message.KindLocation
	case in.Contacts != nil:
		return message.KindContact
	case in.Poll != nil:
		return message.KindPoll
	case in.Reaction != nil && (*in.Reaction != "" || in.Target != nil):
		return message.KindReaction
	default:
		return message.KindText
	}
}

// kindOfFile returns the kind that shows a file best. A document is what phones can open but not show in the chat, such as
// a film in WebM or a moving GIF, of which they would show one picture only.
func kindOfFile(file message.Media) message.Kind {
	mime := strings.ToLower(file.Mime)
	family, format, _ := strings.Cut(mime, "/")
	switch {
	case message.ShownAsImage(mime) && !(format == "gif" && file.Animated):
		return message.KindImage
	case message.ShownAsVideo(mime) && !file.Unplayable:
		return message.KindVideo
	case family == "audio":
		return message.KindAudio
	default:
		return message.KindDocument
	}
}

// content returns the content of the message without its file. Errors name the field.
func (in *v1MessageNew) content() (message.Content, error) {
	out := message.Content{Kind: in.kind(), Text: in.Text}
	if in.Target != nil && in.Kind == "" && out.Kind == message.KindText {
		return out, rest.BadField("kind", "expected reaction, edit or revoke: the target alone does not say which")
	}
	if in.Reaction != nil {
		out.Reaction = *in.Reaction
	}
	for i := range in.Mentions {
		address, err := in.Mentions[i].Parse(fmt.Sprintf("mentions[%d]", i))
		if err != nil {
			return out, err
		}
		out.Mentions = append(out.Mentions, address)
	}
	var err error
	if out.Quote, err = in.Quote.parse("quote"); err != nil {
		return out, err
	}
	if out.Target, err = in.Target.parse("target"); err != nil {
		return out, err
	}
	if p := in.Preview; p != nil {
		thumbnail, err := bytesOf("preview.thumbnail", p.Thumbnail)
		if err != nil {
			return out, err
		}
		out.Preview = &message.Preview{URL: p.URL, Title: p.Title, Description: p.Description, Thumbnail: thumbnail}
	}
	if l := in.Location; l != nil {
		out.Location = &message.Location{Latitude: l.Latitude, Longitude: l.Longitude, Name: l.Name, Address: l.Address, URL: l.URL}
	}
	for _, card := range in.Contacts {
		out.Contacts = append(out.Contacts, message.Card(card))
	}
	if p := in.Poll; p != nil {
		out.Poll = &message.Poll{Question: p.Question, Options: p.Options, Selectable: p.Selectable}
	}
	return out, nil
}

// mergeInto merges the caller's fields into what was read from the file's bytes. The type comes from the bytes if they
// show one; only for a document may the caller choose another type. If kind is "", the type determines it. mergeInto
// returns the kind of the message.
func (in *v1MediaNew) mergeInto(stored message.Media, kind message.Kind) (message.Media, message.Kind, error) {
	shown := message.TypeOf(stored.Mime, in.Mime)
	if said := in.Mime; said != "" && stored.Mime == contentBinary && !message.ShownAsImage(said) { // the bytes of an image always show its type
		stored.Mime = said
	}
	if kind == "" {
		kind = kindOfFile(stored)
	}
	if kind == message.KindDocument && in.Mime != "" {
		stored.Mime = in.Mime
	}
	if in.Name != "" {
		stored.Name = in.Name
	}
	stored.Name = nameOf(&stored, kind, shown)
	if err := in.checkFields(kind); err != nil {
		return stored, kind, err
	}
	if in.Width != 0 {
		stored.Width, stored.Height = in.Width, in.Height
	}
	if in.Seconds != 0 {
		stored.Seconds = in.Seconds
	}
	waveform, err := bytesOf("media.waveform", in.Waveform)
	if err != nil {
		return stored, kind, err
	}
	if waveform != nil {
		stored.Waveform = waveform
	}
	thumbnail, err := bytesOf("media.thumbnail", in.Thumbnail)
	if err != nil {
		return stored, kind, err
	}
	if thumbnail != nil {
		stored.Thumbnail = thumbnail
	}
	stored.Animated = stored.Animated || in.Animated
	stored.ViewOnce = in.ViewOnce
	return stored, kind, nil
}

// nameOf returns the name of a document whose bytes show a type: phones open a file by its name. It is "" if the document
// has none and its own type gives it one, and for the other kinds, of which WhatsApp shows no name.
func nameOf(stored *message.Media, kind message.Kind, shown string) string {
	name := stored.Name
	switch {
	case kind != message.KindDocument:
		return ""
	case name == "" && shown != stored.Mime:
		name = "file"
	}
	return message.FileName(name, shown)
}

// checkFields refuses fields that a file of this kind does not have, because they would be lost.
func (in *v1MediaNew) checkFields(kind message.Kind) error {
	seen := kind == message.KindImage || kind == message.KindVideo
	heard := kind == message.KindAudio || kind == message.KindVoice
	for _, field := range []struct {
		name           string
		given, allowed bool
	}{
		{"width", in.Width != 0, seen || kind == message.KindSticker},
		{"height", in.Height != 0, seen || kind == message.KindSticker},
		{"seconds", in.Seconds != 0, heard || kind == message.KindVideo},
		{"waveform", in.Waveform != "", kind == message.KindVoice},
		{"thumbnail", in.Thumbnail != "", seen || kind == message.KindDocument},
		{"animated", in.Animated, kind == message.KindSticker || kind == message.KindVideo},
	} {
		if field.given && !field.allowed {
			return rest.BadField("media."+field.name, fmt.Sprintf("a message of the kind %s has none", kind))
		}
	}
	switch {
	case in.Width != 0 && in.Height == 0:
		return rest.BadField("media.height", "expected together with media.width")
	case in.Height != 0 && in.Width == 0:
		return rest.BadField("media.width", "expected together with media.height")
	default:
		return nil
	}
}

// typeFor returns a type that the file of a message of this kind may have.
func typeFor(kind message.Kind) string {
	switch kind {
	case message.KindImage:
		return "image/jpeg"
	case message.KindVideo:
		return "video/mp4"
	case message.KindAudio:
		return "audio/mpeg"
	case message.KindVoice:
		return message.MimeVoice
	case message.KindSticker:
		return "image/webp"
	default:
		return contentBinary
	}
}

func bytesOf(field, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, rest.BadField(field, "expected base64")
	}
	return plain, nil
}

func (r *v1MessageRef) parse(field string) (*message.Ref, error) {
	if r == nil {
		return nil, nil
	}
	out := &message.Ref{ID: r.ID, FromMe: r.FromMe, Text: r.Text, Kind: message.Kind(r.Kind), ServerID: r.ServerID}
	if r.Chat != nil {
		chat, err := r.Chat.Parse(field + ".chat")
		if err != nil {
			return out, err
		}
		out.Chat = chat.Address()
	}
	if r.Sender.IsChannel() {
		return out, nil // the author of a post is its channel
	}
	var err error
	out.Sender, err = r.Sender.Parse(field + ".sender")
	return out, err
}
