package message

import (
	"bytes"
	"fmt"
	"math"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"

	"wasup/internal/session"
)

// MimeVoice is the media type of a voice note.
const MimeVoice = "audio/ogg; codecs=opus"

func (m *Media) check(kind Kind) error {
	switch {
	case m == nil:
		return invalidField("media", fmt.Sprintf("expected the file of a message of the kind %s", kind))
	case m.File == "":
		return invalidField("media.file", "expected a file that was uploaded")
	case m.Size < 1:
		return invalidField("media.size", "expected a file that is not empty")
	case len(m.Name) > maxFileName || !utf8.ValidString(m.Name) || strings.ContainsAny(m.Name, "/\\") || strings.ContainsFunc(m.Name, unicode.IsControl):
		return invalidField("media.name", fmt.Sprintf("expected a file name of at most %d bytes without a folder and control characters", maxFileName))
	case !isType(m.Mime):
		return invalidField("media.mime", "expected a media type such as image/jpeg")
	case m.Width < 0 || m.Height < 0 || m.Width > math.MaxUint16 || m.Height > math.MaxUint16:
		return invalidField("media.width", fmt.Sprintf("expected width and height from 0 to %d", math.MaxUint16))
	case m.Seconds < 0 || m.Seconds > math.MaxInt32:
		return invalidField("media.seconds", "expected a duration in seconds, or 0")
	case len(m.Waveform) > 0 && (len(m.Waveform) != waveformSamples || bytes.ContainsFunc(m.Waveform, func(r rune) bool { return r > 100 })):
		return invalidField("media.waveform", fmt.Sprintf("expected %d values from 0 to 100", waveformSamples))
	case m.ViewOnce && kind != KindImage && kind != KindVideo && kind != KindVoice:
		return invalidField("media.view_once", "only an image, a video and a voice note can be viewed once")
	}
	if err := checkThumbnail("media.thumbnail", m.Thumbnail); err != nil {
		return err
	}
	return m.checkType(kind)
}

// checkType checks that the file's media type fits the kind of message. A document may have any type.
func (m *Media) checkType(kind Kind) error {
	var family, expected string
	switch kind {
	case KindImage:
		if !ShownAsImage(m.Mime) {
			return invalidField("media.mime", fmt.Sprintf("expected a JPEG, PNG, WebP or GIF for a message of the kind image, got %q; the kind document takes any file", session.Clip(m.Mime, 80)))
		}
		return nil
	case KindVideo:
		family, expected = "video/", "a video"
	case KindAudio:
		family, expected = "audio/", "sound"
	case KindVoice:
		family, expected = MimeVoice, "sound in ogg with opus, which ffmpeg -c:a libopus makes of any other,"
	case KindSticker:
		family, expected = "image/webp", "a WebP image"
	default:
		return nil
	}
	if !strings.HasPrefix(m.Mime, family) {
		return invalidField("media.mime", fmt.Sprintf("expected %s for a message of the kind %s, got %q; the kind document takes any file", expected, kind, session.Clip(m.Mime, 80)))
	}
	return nil
}

// ShownAsImage reports whether WhatsApp's clients can show a media type as a picture. Other types that begin with
// image/, such as SVG or the files of drawing programs, would arrive as a picture that cannot be opened.
func ShownAsImage(mime string) bool {
	switch kind, _, _ := strings.Cut(mime, ";"); strings.TrimSpace(kind) {
	case "image/jpeg", "image/png", "image/webp", "image/gif":
		return true
	default:
		return false
	}
}

// ShownAsVideo reports whether phones play films of a media type. Others arrive as a video that cannot be played.
func ShownAsVideo(mime string) bool {
	switch kind, _, _ := strings.Cut(mime, ";"); strings.TrimSpace(kind) {
	case "video/mp4", "video/3gpp":
		return true
	default:
		return false
	}
}

// isType accepts a media type with or without parameters, and "".
func isType(s string) bool {
	if s == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(kind, "/") && len(s) <= maxFileName
}

func checkThumbnail(field string, jpeg []byte) error {
	if len(jpeg) > 0 && (len(jpeg) > maxThumbnail || !bytes.HasPrefix(jpeg, []byte{0xff, 0xd8, 0xff})) {
		return invalidField(field, fmt.Sprintf("expected a JPEG of at most %d KiB", maxThumbnail>>10))
	}
	return nil
}
