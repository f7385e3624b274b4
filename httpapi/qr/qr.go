// Package qr draws pairing codes as PNG, as SVG, and as text for a terminal. All three show the same symbol.
//
// It does not know HTTP or sessions. go-qrcode encodes the symbol and image/png writes the picture. gozxing, which
// shares no code with either, checks that a decoder finds the symbol.
package qr

import "errors"

// ErrNoCode means that the code to draw is empty. That is a bug of the caller.
var ErrNoCode = errors.New("the outcome promises a code and has none")

const (
	// moduleSize is the side of a QR module in pixels. It is a whole number, so that edges are sharp. It is large enough
	// for cameras and decoders to read a code of WhatsApp's length at the first attempt.
	moduleSize = 6
	// quietZone is the white margin that the QR standard requires, in modules.
	quietZone = 4
	// picturesKept is the size of the cache of PNGs: one picture of about 3 KB for each session that pairs at the same
	// time.
	picturesKept = 4096
	// drawingsKept is the size of the caches of SVGs and texts, which only people ask for.
	drawingsKept = 256
)

// Pictures draws each code once per format, even if many callers ask for it. It is safe for concurrent use.
type Pictures struct {
	urls, svgs, texts *Cache
}

// NewPictures makes a Pictures with empty caches.
func NewPictures() *Pictures {
	return &Pictures{urls: NewCache(picturesKept, DataURL), svgs: NewCache(drawingsKept, SVG), texts: NewCache(drawingsKept, Text)}
}

// Prepare draws the PNG of a code before a caller asks for it. It blocks until the picture is drawn. If the code cannot
// be drawn, the callers that ask for it later get the error.
func (p *Pictures) Prepare(code string) {
	_, _ = p.urls.Get(code)
}

// DataURL returns the code's PNG as a data: URL.
func (p *Pictures) DataURL(code string) (string, error) { return p.urls.Get(code) }

// SVG returns the code as a vector picture.
func (p *Pictures) SVG(code string) (string, error) { return p.svgs.Get(code) }

// Text returns the code as text for a terminal.
func (p *Pictures) Text(code string) (string, error) { return p.texts.Get(code) }
