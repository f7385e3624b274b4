package inbound

import (
	"testing"

	"wasup/internal/message"
)

func TestASmallPictureIsToldUnlessItMayBeSeenOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		jpeg string
		once bool
		want bool
	}{
		"a JPEG":           {"\xff\xd8\xffx", false, true},
		"seen once":        {"\xff\xd8\xffx", true, false},
		"no JPEG":          {"\x89PNG", false, false},
		"nothing":          {"", false, false},
		"not even a start": {"\xff\xd8", false, false},
	} {
		media := &message.Media{ViewOnce: tc.once}
		if setThumbnail(media, []byte(tc.jpeg)); (media.Thumbnail != nil) != tc.want {
			t.Errorf("%s: %q", name, media.Thumbnail)
		}
	}
}
