package inbound

import (
	"bytes"
	"cmp"
	"encoding/hex"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

// mediaFields is implemented by all messages with a file.
type mediaFields interface {
	GetDirectPath() string
	GetMediaKey() []byte
	GetFileSHA256() []byte
	GetFileEncSHA256() []byte
	GetFileLength() uint64
	GetMimetype() string
}

// file returns the content of a message with a file.
func (r *reading) file(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.ImageMessage != nil:
		f := m.GetImageMessage()
		media := r.media(message.KindImage, f)
		setSides(media, f)
		media.ViewOnce = media.ViewOnce || f.GetViewOnce()
		setThumbnail(media, f.GetJPEGThumbnail())
		return message.Content{Kind: message.KindImage, Text: f.GetCaption(), Media: media}, true
	case m.VideoMessage != nil, m.PtvMessage != nil:
		f := m.GetVideoMessage()
		if f == nil {
			f = m.GetPtvMessage()
		}
		media := r.media(message.KindVideo, f)
		setSides(media, f)
		media.Seconds, media.Animated = int(within(f.GetSeconds(), maxSeconds)), f.GetGifPlayback()
		media.Round = m.PtvMessage != nil
		media.ViewOnce = media.ViewOnce || f.GetViewOnce()
		setThumbnail(media, f.GetJPEGThumbnail())
		return message.Content{Kind: message.KindVideo, Text: f.GetCaption(), Media: media}, true
	case m.AudioMessage != nil:
		f := m.GetAudioMessage()
		kind := message.KindAudio
		if f.GetPTT() {
			kind = message.KindVoice
		}
		media := r.media(kind, f)
		media.Seconds, media.Waveform = int(within(f.GetSeconds(), maxSeconds)), waveform(f.GetWaveform())
		media.ViewOnce = media.ViewOnce || f.GetViewOnce()
		return message.Content{Kind: kind, Media: media}, true
	case m.DocumentMessage != nil:
		f := m.GetDocumentMessage()
		media := r.media(message.KindDocument, f)
		media.Name = cmp.Or(f.GetFileName(), f.GetTitle())
		setThumbnail(media, f.GetJPEGThumbnail())
		return message.Content{Kind: message.KindDocument, Text: f.GetCaption(), Media: media}, true
	case m.StickerMessage != nil:
		f := m.GetStickerMessage()
		media := r.media(message.KindSticker, f)
		setSides(media, f)
		media.Animated = f.GetIsAnimated()
		return message.Content{Kind: message.KindSticker, Media: media}, true
	}
	return message.Content{}, false
}

// media describes a file. It sets an id and Remote only if the file can be fetched: a view-once message whose content
// is only for the phone comes without a key, and no server has a path of 2,048 bytes.
func (r *reading) media(kind message.Kind, f mediaFields) *message.Media {
	size := int64(within(f.GetFileLength(), maxFileSize))
	out := &message.Media{
		Mime: f.GetMimetype(), Size: size, SHA256: hex.EncodeToString(f.GetFileSHA256()), ViewOnce: r.viewOnce,
	}
	if f.GetDirectPath() == "" || len(f.GetMediaKey()) == 0 {
		return out
	}
	info := &r.event.Info
	remote := &message.Remote{
		ID: digest("media", info.Chat, info.Sender.ToNonAD(), info.ID), DirectPath: f.GetDirectPath(), Key: f.GetMediaKey(),
		FileSHA256: f.GetFileSHA256(), EncSHA256: f.GetFileEncSHA256(), Length: size, Kind: kind,
	}
	if remote.Bounded() {
		out.ID, out.Remote = remote.ID, remote
	} else {
		r.t.cut = true
	}
	return out
}

// setSides sets the width and the height of a picture.
func setSides(media *message.Media, f interface {
	GetWidth() uint32
	GetHeight() uint32
},
) {
	media.Width, media.Height = int(within(f.GetWidth(), maxSide)), int(within(f.GetHeight(), maxSide))
}

// setThumbnail sets the small picture that phones show before the file is downloaded. What may be seen once has none.
func setThumbnail(media *message.Media, jpeg []byte) {
	if !media.ViewOnce && bytes.HasPrefix(jpeg, []byte{0xff, 0xd8, 0xff}) {
		media.Thumbnail = jpeg
	}
}
