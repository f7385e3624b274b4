package outgoing

import (
	"os"
	"slices"
	"strings"

	"wasup/internal/media/outgoing/container"
	"wasup/internal/message"
)

// inspectRecording reads what the container of a film or a sound says. What it does not say stays unknown.
func (s *Folder) inspectRecording(f *os.File, known *message.Media) {
	facts := container.Read(f, known.Size)
	known.Seconds, known.Width, known.Height = facts.Seconds(), facts.Width, facts.Height
	family, format, _ := strings.Cut(known.Mime, "/")
	switch {
	case family == "video" && facts.Sound && !facts.Film: // the same container holds both
		known.Mime = "audio/" + format
		if format == "quicktime" {
			known.Mime = "audio/mp4"
		}
	case family == "audio" && facts.Film && (format == "mp4" || format == "webm" || format == "3gpp"):
		known.Mime = "video/" + format
	}
	known.Unplayable = facts.Film && facts.Codec != "" && !playable(known.Mime, facts.Codec)
	if facts.Cover != nil {
		known.Thumbnail = s.thumbnailOf(facts.Cover, upright)
	}
}

// playable reports whether phones play a film. WhatsApp names H.264 for MP4 and 3GP; phones have always played the old
// codecs of 3GP, too.
func playable(mime, codec string) bool {
	switch mime {
	case "video/mp4":
		return slices.Contains([]string{"avc1", "avc3"}, codec)
	case "video/3gpp":
		return slices.Contains([]string{"avc1", "avc3", "s263", "h263", "mp4v"}, codec)
	default:
		return false
	}
}
