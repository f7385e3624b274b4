package outbound

import (
	"context"
	"mime"
	"time"

	"github.com/gabriel-vasile/mimetype"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
)

// file uploads the message's file and returns the message.
func (c *composing) file(ctx context.Context) (*waE2E.Message, error) {
	kind, file := c.out.Content.Kind, c.out.Content.Media
	up, err := c.c.Upload(ctx, kind, file)
	if err != nil {
		return nil, err
	}
	if err = c.readTimer(ctx); err != nil {
		return nil, err
	}
	switch kind {
	case message.KindImage:
		return c.wrapViewOnce(c.image(file, up)), nil
	case message.KindVideo:
		return c.wrapViewOnce(c.video(file, up)), nil
	case message.KindAudio, message.KindVoice:
		return c.wrapViewOnce(c.audio(file, up)), nil
	case message.KindDocument:
		return c.document(file, up), nil
	default:
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
			FileSHA256: up.FileSHA256, FileLength: &up.FileLength, MediaKeyTimestamp: now(), Mimetype: &file.Mime,
			Width: count(file.Width), Height: count(file.Height), IsAnimated: &file.Animated, ContextInfo: c.contextInfo(),
		}}, nil
	}
}

func (c *composing) image(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, MediaKeyTimestamp: now(), Mimetype: &file.Mime, Caption: optional(c.out.Content.Text),
		Width: count(file.Width), Height: count(file.Height), JPEGThumbnail: file.Thumbnail, ViewOnce: trueOrNil(file.ViewOnce),
		ContextInfo: c.contextInfo(),
	}}
}

func (c *composing) video(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, MediaKeyTimestamp: now(), Mimetype: &file.Mime, Caption: optional(c.out.Content.Text),
		Width: count(file.Width), Height: count(file.Height), Seconds: count(file.Seconds), JPEGThumbnail: file.Thumbnail,
		ViewOnce: trueOrNil(file.ViewOnce), GifPlayback: trueOrNil(file.Animated), ContextInfo: c.contextInfo(),
	}}
}

func (c *composing) audio(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	sound := &waE2E.AudioMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, MediaKeyTimestamp: now(), Mimetype: &file.Mime, Seconds: count(file.Seconds),
		ViewOnce: trueOrNil(file.ViewOnce), ContextInfo: c.contextInfo(),
	}
	if c.out.Content.Kind == message.KindVoice {
		sound.PTT, sound.Waveform = proto.Bool(true), file.Waveform
	}
	return &waE2E.Message{AudioMessage: sound}
}

// document returns a message with a document. Phones show a document by its name, so it always gets one.
func (c *composing) document(file *message.Media, up *whatsmeow.UploadResponse) *waE2E.Message {
	name := file.Name
	if name == "" {
		name = "file"
		name += extensionOf(file.Mime)
	}
	msg := &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, MediaKeyTimestamp: now(), Mimetype: &file.Mime, FileName: &name, Title: &name,
		Caption: optional(c.out.Content.Text), JPEGThumbnail: file.Thumbnail, ContextInfo: c.contextInfo(),
	}}
	if c.out.Content.Text == "" {
		return msg
	}
	return &waE2E.Message{DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: msg}}
}

// extensionOf returns the usual file extension of a MIME type, or "". The library mimetype comes first because the
// machine's table has no order of preference: for text/html it may list .ehtml first.
func extensionOf(kind string) string {
	if known := mimetype.Lookup(kind); known != nil {
		return known.Extension()
	}
	endings, err := mime.ExtensionsByType(kind)
	if err != nil || len(endings) == 0 {
		return ""
	}
	return endings[0]
}

// wrapViewOnce wraps a view-once message. Voice notes and audio have a different wrapper.
func (c *composing) wrapViewOnce(msg *waE2E.Message) *waE2E.Message {
	switch {
	case !c.out.Content.Media.ViewOnce:
		return msg
	case msg.AudioMessage != nil:
		return &waE2E.Message{ViewOnceMessageV2Extension: &waE2E.FutureProofMessage{Message: msg}}
	default:
		return &waE2E.Message{ViewOnceMessageV2: &waE2E.FutureProofMessage{Message: msg}}
	}
}

// now returns the time of a new file's key, in seconds.
func now() *int64 { return proto.Int64(time.Now().Unix()) }

func trueOrNil(yes bool) *bool {
	if !yes {
		return nil
	}
	return &yes
}
