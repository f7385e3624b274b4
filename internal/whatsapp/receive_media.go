package whatsapp

import (
	"encoding/hex"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/session"
)

// carried is what all files have in common.
type carried interface {
	GetDirectPath() string
	GetMediaKey() []byte
	GetFileSHA256() []byte
	GetFileEncSHA256() []byte
	GetFileLength() uint64
	GetMimetype() string
}

// file is content with a file.
func (r *reading) file(m *waE2E.Message) (session.Content, bool) {
	switch {
	case m.ImageMessage != nil:
		f := m.GetImageMessage()
		media := r.media(session.KindImage, f)
		media.Width, media.Height = int(f.GetWidth()), int(f.GetHeight())
		media.ViewOnce = media.ViewOnce || f.GetViewOnce()
		return session.Content{Kind: session.KindImage, Text: f.GetCaption(), Media: media}, true
	case m.VideoMessage != nil, m.PtvMessage != nil:
		f := m.GetVideoMessage()
		if f == nil {
			f = m.GetPtvMessage()
		}
		media := r.media(session.KindVideo, f)
		media.Width, media.Height, media.Seconds = int(f.GetWidth()), int(f.GetHeight()), int(f.GetSeconds())
		media.ViewOnce = media.ViewOnce || f.GetViewOnce()
		return session.Content{Kind: session.KindVideo, Text: f.GetCaption(), Media: media}, true
	case m.AudioMessage != nil:
		f := m.GetAudioMessage()
		kind := session.KindAudio
		if f.GetPTT() {
			kind = session.KindVoice
		}
		media := r.media(kind, f)
		media.Seconds, media.Waveform = int(f.GetSeconds()), f.GetWaveform()
		media.ViewOnce = media.ViewOnce || f.GetViewOnce()
		return session.Content{Kind: kind, Media: media}, true
	case m.DocumentMessage != nil:
		f := m.GetDocumentMessage()
		media := r.media(session.KindDocument, f)
		media.Name = f.GetFileName()
		return session.Content{Kind: session.KindDocument, Text: f.GetCaption(), Media: media}, true
	case m.StickerMessage != nil:
		f := m.GetStickerMessage()
		media := r.media(session.KindSticker, f)
		media.Width, media.Height, media.Animated = int(f.GetWidth()), int(f.GetHeight()), f.GetIsAnimated()
		return session.Content{Kind: session.KindSticker, Media: media}, true
	}
	return session.Content{}, false
}

// media describes a file. It gets an id where it can be fetched: a view of a message that may be seen once, on a phone,
// comes without a key.
func (r *reading) media(kind session.Kind, f carried) *session.Media {
	out := &session.Media{
		Mime: f.GetMimetype(), Size: int64(f.GetFileLength()), SHA256: hex.EncodeToString(f.GetFileSHA256()), ViewOnce: r.viewOnce,
	}
	if f.GetDirectPath() == "" || len(f.GetMediaKey()) == 0 {
		return out
	}
	info := &r.event.Info
	out.ID = digest("media", info.Chat, info.Sender.ToNonAD(), info.ID)
	out.Remote = &session.Remote{
		ID: out.ID, DirectPath: f.GetDirectPath(), Key: f.GetMediaKey(), FileSHA256: f.GetFileSHA256(), EncSHA256: f.GetFileEncSHA256(),
		Length: int64(f.GetFileLength()), Kind: kind,
	}
	return out
}
