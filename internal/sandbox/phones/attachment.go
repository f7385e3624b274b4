package phones

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/mediacrypt"
)

// Media is a file in a message. The message describes it. The bytes are on the server, encrypted, until they are
// downloaded.
type Media struct {
	MIME     string
	FileName string
	// Size is the size of the decrypted file in bytes, as the sender states it.
	Size int
	// Width and Height are in pixels, Seconds is the length, as the sender states them; 0 if unknown.
	Width, Height, Seconds int
	// Voice marks a voice message; Waveform is its loudness over time (0 to 100). Animated marks a moving sticker and
	// GIF a video without sound that repeats.
	Voice, Animated, GIF bool
	Waveform             []byte
	// Thumbnail is a small JPEG.
	Thumbnail []byte
	// DirectPath is the path of the file on the server.
	DirectPath string

	sealed mediacrypt.Sealed
	kind   mediacrypt.Type
	store  *media.Store
}

// Bytes downloads the file, decrypts it and checks it against the message. It fails with media.ErrUnknown or
// media.ErrGone if the server does not have the file any more, and with an error of package mediacrypt if the file does
// not match.
func (m *Media) Bytes() ([]byte, error) {
	file, ok := m.store.Get(media.IDOf(m.DirectPath))
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %s", media.ErrUnknown, m.DirectPath)
	case file.Gone != 0:
		return nil, fmt.Errorf("%w: status %d", media.ErrGone, file.Gone)
	}
	sealed := m.sealed
	var err error
	if sealed.File, err = m.store.Bytes(&file); err != nil {
		return nil, err
	}
	plain, err := mediacrypt.Open(sealed, m.kind)
	if err != nil {
		return nil, fmt.Errorf("sandbox: opening a file: %w", err)
	}
	return plain, nil
}

// Attachment is a file to send.
type Attachment struct {
	Data []byte
	// MIME is the MIME type. If it is empty, the usual one for the message's kind is used.
	MIME     string
	FileName string
	// Width, Height, Seconds, Voice, Waveform, Animated, GIF and Thumbnail are as in Media.
	Width, Height, Seconds int
	Voice, Animated, GIF   bool
	Waveform, Thumbnail    []byte
}

// measured reports whether the measures of the file fit into a message.
func (a *Attachment) measured() bool {
	return min(a.Width, a.Height, a.Seconds) >= 0 && max(a.Width, a.Height, a.Seconds) <= math.MaxUint32
}

// shapes says how the file of a kind of message is encrypted, under which type it is uploaded, and its default MIME
// type.
var shapes = map[Kind]struct {
	kind mediacrypt.Type
	mms  string
	mime string
}{
	KindImage:    {mediacrypt.Image, "image", "image/jpeg"},
	KindVideo:    {mediacrypt.Video, "video", "video/mp4"},
	KindAudio:    {mediacrypt.Audio, "audio", "audio/ogg; codecs=opus"},
	KindDocument: {mediacrypt.Document, "document", "application/octet-stream"},
	KindSticker:  {mediacrypt.Image, "image", "image/webp"},
}

// hasFile reports whether messages of the kind have a file.
func (k Kind) hasFile() bool {
	_, ok := shapes[k]
	return ok
}

// attach encrypts and uploads a file and returns its description.
func (p *codec) attach(kind Kind, a *Attachment) (*Media, error) {
	shape := shapes[kind]
	sealed, err := mediacrypt.Seal(a.Data, shape.kind)
	if err != nil {
		return nil, fmt.Errorf("sandbox: sealing a file: %w", err)
	}
	file, err := p.Net.Media.Put(p.Account.Number, shape.mms, sealed.File)
	if err != nil {
		return nil, err
	}
	sealed.File = nil
	described := &Media{
		MIME: a.MIME, FileName: a.FileName, Size: sealed.Length, Width: a.Width, Height: a.Height, Seconds: a.Seconds,
		Voice: a.Voice, Animated: a.Animated, GIF: a.GIF, Waveform: slices.Clone(a.Waveform), Thumbnail: slices.Clone(a.Thumbnail),
		DirectPath: file.DirectPath, sealed: sealed, kind: shape.kind, store: p.Net.Media,
	}
	if described.MIME == "" {
		described.MIME = shape.mime
	}
	return described, nil
}

// mediaMessage builds the message for a file that was uploaded.
func (p *codec) mediaMessage(out *Outgoing, m *Media, context *waE2E.ContextInfo) *waE2E.Message {
	url := proto.String("https://" + p.Net.Media.Host() + m.DirectPath)
	size, caption := proto.Uint64(uint64(m.Size)), optional(out.Text)
	switch out.Kind {
	case KindImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
			URL: url, DirectPath: &m.DirectPath, MediaKey: m.sealed.Key, FileSHA256: m.sealed.PlainSHA256, FileEncSHA256: m.sealed.SealedSHA256,
			FileLength: size, Mimetype: &m.MIME, Caption: caption, Width: pixels(m.Width), Height: pixels(m.Height), JPEGThumbnail: m.Thumbnail,
			ContextInfo: context,
		}}
	case KindVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
			URL: url, DirectPath: &m.DirectPath, MediaKey: m.sealed.Key, FileSHA256: m.sealed.PlainSHA256, FileEncSHA256: m.sealed.SealedSHA256,
			FileLength: size, Mimetype: &m.MIME, Caption: caption, Width: pixels(m.Width), Height: pixels(m.Height), JPEGThumbnail: m.Thumbnail,
			Seconds: pixels(m.Seconds), GifPlayback: flag(m.GIF), ContextInfo: context,
		}}
	case KindAudio:
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
			URL: url, DirectPath: &m.DirectPath, MediaKey: m.sealed.Key, FileSHA256: m.sealed.PlainSHA256, FileEncSHA256: m.sealed.SealedSHA256,
			FileLength: size, Mimetype: &m.MIME, Seconds: pixels(m.Seconds), PTT: flag(m.Voice), Waveform: m.Waveform, ContextInfo: context,
		}}
	case KindDocument:
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
			URL: url, DirectPath: &m.DirectPath, MediaKey: m.sealed.Key, FileSHA256: m.sealed.PlainSHA256, FileEncSHA256: m.sealed.SealedSHA256,
			FileLength: size, Mimetype: &m.MIME, FileName: optional(m.FileName), Title: optional(m.FileName), Caption: caption,
			JPEGThumbnail: m.Thumbnail, ContextInfo: context,
		}}
	default:
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
			URL: url, DirectPath: &m.DirectPath, MediaKey: m.sealed.Key, FileSHA256: m.sealed.PlainSHA256, FileEncSHA256: m.sealed.SealedSHA256,
			FileLength: size, Mimetype: &m.MIME, Width: pixels(m.Width), Height: pixels(m.Height), IsAnimated: flag(m.Animated), ContextInfo: context,
		}}
	}
}

// described is the interface of all messages that have a file.
type described interface {
	GetDirectPath() string
	GetMediaKey() []byte
	GetFileSHA256() []byte
	GetFileEncSHA256() []byte
	GetFileLength() uint64
	GetMimetype() string
}

// mediaOf reads the description of a message's file.
func (p *codec) mediaOf(kind Kind, m described) *Media {
	return &Media{
		MIME: m.GetMimetype(), Size: int(min(m.GetFileLength(), 1<<40)), DirectPath: m.GetDirectPath(),
		sealed: mediacrypt.Sealed{Key: m.GetMediaKey(), PlainSHA256: m.GetFileSHA256(), SealedSHA256: m.GetFileEncSHA256()},
		kind:   shapes[kind].kind, store: p.Net.Media,
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func flag(on bool) *bool {
	if !on {
		return nil
	}
	return &on
}

func pixels(n int) *uint32 {
	if n <= 0 {
		return nil
	}
	return proto.Uint32(uint32(n))
}
