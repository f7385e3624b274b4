package inbound

import (
	"log/slog"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

func TestAVideoSaysHowItPlays(t *testing.T) {
	for name, c := range map[string]struct {
		m               *waE2E.Message
		animated, round bool
	}{
		"a video":                   {&waE2E.Message{VideoMessage: &waE2E.VideoMessage{}}, false, false},
		"one that plays like a GIF": {&waE2E.Message{VideoMessage: &waE2E.VideoMessage{GifPlayback: new(true)}}, true, false},
		"a video message":           {&waE2E.Message{PtvMessage: &waE2E.VideoMessage{}}, false, true},
	} {
		content := translated(t, newTranslator(t, slog.New(slog.DiscardHandler)), incoming(c.m)).Content
		if content.Kind != message.KindVideo || content.Media.Animated != c.animated || content.Media.Round != c.round {
			t.Errorf("%s: %+v", name, content.Media)
		}
	}
}
