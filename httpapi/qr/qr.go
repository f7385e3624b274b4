// Package qr draws pairing codes: as PNG, as SVG, and as text for a terminal, all from the same symbol.
//
// It knows nothing of HTTP and of sessions. go-qrcode encodes, image/png writes, and gozxing, which shares no code with
// either, looks whether a decoder will find the symbol.
package qr

import "errors"

// ErrNoCode is a bug of whoever asks: there is nothing to draw.
var ErrNoCode = errors.New("the outcome promises a code and has none")

const (
	// moduleSize is the side of a QR module in pixels: a whole number, so that edges are sharp, and enough for
	// cameras and decoders to read a code of WhatsApp's length the first time.
	moduleSize = 6
	// quietZone is the white margin that the QR standard asks for, in modules.
	quietZone = 4
	// picturesKept bounds the cache of PNGs: one picture per session that pairs at the same time, about 3 KB each.
	picturesKept = 4096
	// drawingsKept bounds those of the formats that people ask for by hand.
	drawingsKept = 256
)

// Pictures draws each code once in each format, however many callers ask for it. It is safe for concurrent use.
type Pictures struct {
	urls, svgs, texts *Cache
}

// NewPictures makes an empty one.
func NewPictures() *Pictures {
	return &Pictures{urls: NewCache(picturesKept, DataURL), svgs: NewCache(drawingsKept, SVG), texts: NewCache(drawingsKept, Text)}
}

// Prepare draws the PNG of a code before anybody asks for it, so that it is there when they do. It blocks until the
// picture is drawn; a code that cannot be drawn is told to whoever asks for it.
func (p *Pictures) Prepare(code string) {
	_, _ = p.urls.Get(code)
}

// DataURL is the code's PNG as a data: URL.
func (p *Pictures) DataURL(code string) (string, error) { return p.urls.Get(code) }

// SVG is the code as a vector picture.
func (p *Pictures) SVG(code string) (string, error) { return p.svgs.Get(code) }

// Text is the code for a terminal.
func (p *Pictures) Text(code string) (string, error) { return p.texts.Get(code) }
