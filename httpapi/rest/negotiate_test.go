package rest

import "testing"

func TestTheFormatIsTheOneThatTheCallerLikesBest(t *testing.T) {
	formats := []string{ContentJSON, ContentPNG, ContentSVG, ContentText}
	for accept, want := range map[string]string{
		"":                                     ContentJSON,
		"*/*":                                  ContentJSON,
		"*":                                    ContentJSON,
		"image/png":                            ContentPNG,
		"IMAGE/PNG":                            ContentPNG,
		"image/*":                              ContentPNG,
		"text/*;q=0.9, image/svg+xml;q=0.8":    ContentText,
		"image/png;q=0.1,image/svg+xml;q=0.2":  ContentSVG,
		"image/*, image/png;q=0":               ContentSVG,
		"*/*;q=0.1, text/plain":                ContentText,
		"*/*, application/json;q=0":            ContentPNG,
		"text/html, application/json; q=0.001": ContentJSON,
		"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8": ContentPNG,
		"image/png;charset=x;q=0.5, text/plain;q=0.6":                      ContentText,
		"image/gif":            "",
		"application/json;q=0": "",
		"image/png;q=2":        "",
		"image/png;q=x":        "",
		"image/png;q=NaN":      "",
		";;,,":                 "",
	} {
		if got := acceptable(accept, formats); got != want {
			t.Errorf("%q: %q, expected %q", accept, got, want)
		}
	}
}
