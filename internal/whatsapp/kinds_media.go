package whatsapp

import (
	"context"
	"mime"

	"github.com/gabriel-vasile/mimetype"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
)

// file is a message with a file, which is uploaded first.
func (l *letter) file(ctx context.Context) (*waE2E.Message, error) {
	kind, file := l.out.Content.Kind, l.out.Content.Media
	up, err := l.s.upload(ctx, kind, file)
	if err != nil {
		return nil, err
	}
	switch kind {
	case message.KindImage:
		return l.once(l.image(file, up)), nil
	case message.KindVideo:
		return l.once(l.video(file, up)), nil
	case message.KindAudio, message.KindVoice:
		return l.once(l.sound(file, up)), nil
	case message.KindDocument:
		return l.document(file, up), nil
	default:
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
			FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: &file.Mime,
			Width: count(file.Width), Height: count(file.Height), IsAnimated: &file.Animated, ContextInfo: l.around(),
		}}, nil
	}
}

func (l *letter) image(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: &file.Mime, Caption: optional(l.out.Content.Text),
		Width: count(file.Width), Height: count(file.Height), JPEGThumbnail: file.Thumbnail, ViewOnce: onlyTrue(file.ViewOnce),
		ContextInfo: l.around(),
	}}
}

func (l *letter) video(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: &file.Mime, Caption: optional(l.out.Content.Text),
		Width: count(file.Width), Height: count(file.Height), Seconds: count(file.Seconds), JPEGThumbnail: file.Thumbnail,
		ViewOnce: onlyTrue(file.ViewOnce), ContextInfo: l.around(),
	}}
}

func (l *letter) sound(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	sound := &waE2E.AudioMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: &file.Mime, Seconds: count(file.Seconds),
		ViewOnce: onlyTrue(file.ViewOnce), ContextInfo: l.around(),
	}
	if l.out.Content.Kind == message.KindVoice {
		sound.PTT, sound.Waveform = proto.Bool(true), file.Waveform
	}
	return &waE2E.Message{AudioMessage: sound}
}

// document is shown by its name, so it has one.
func (l *letter) document(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	name := file.Name
	if name == "" {
		name = "file"
		name += endingOf(file.Mime)
	}
	msg := &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: &file.Mime, FileName: &name, Title: &name,
		Caption: optional(l.out.Content.Text), JPEGThumbnail: file.Thumbnail, ContextInfo: l.around(),
	}}
	if l.out.Content.Text == "" {
		return msg
	}
	return &waE2E.Message{DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: msg}}
}

// endingOf is the usual ending of a file of this type, "" where there is none. Only a library with an order of its own
// knows the usual one: of text/html the machine's table may list .ehtml first.
func endingOf(kind string) string {
	if known := mimetype.Lookup(kind); known != nil {
		return known.Extension()
	}
	endings, err := mime.ExtensionsByType(kind)
	if err != nil || len(endings) == 0 {
		return ""
	}
	return endings[0]
}

// once wraps a message that can be opened once. A voice note has a wrapping of its own.
func (l *letter) once(msg *waE2E.Message) *waE2E.Message {
	switch {
	case !l.out.Content.Media.ViewOnce:
		return msg
	case msg.AudioMessage != nil:
		return &waE2E.Message{ViewOnceMessageV2Extension: &waE2E.FutureProofMessage{Message: msg}}
	default:
		return &waE2E.Message{ViewOnceMessageV2: &waE2E.FutureProofMessage{Message: msg}}
	}
}

func onlyTrue(yes bool) *bool {
	if !yes {
		return nil
	}
	return &yes
}
