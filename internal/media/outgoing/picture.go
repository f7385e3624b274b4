package outgoing

import (
	"bufio"
	"bytes"
	"errors"
	"image"
	"image/color"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"
	"io"
	"math"
	"mime"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"

	"wasup/internal/message"
)

const (
	// thumbnailSide is the longer side of a thumbnail, in pixels.
	thumbnailSide    = 100
	thumbnailQuality = 60
	// maxDecoded is how many bytes a picture may need while it is decoded for a thumbnail. It is enough for a photo of
	// 100 megapixels, and for a progressive one of 22. A larger photo gets the small picture that its camera has put into
	// it, any other picture none.
	maxDecoded = 320 << 20
	// maxScans is how many scans a JPEG may have. A progressive one has about ten. Each costs a decoder a walk over the
	// whole picture, even if it has only some bytes.
	maxScans = 100
)

// typeOf returns the media type of a file by its first bytes, or the caller's hint if the bytes fit many types.
func typeOf(r io.Reader, hint string) (string, error) {
	found, err := mimetype.DetectReader(r)
	if err != nil {
		return "", err
	}
	sniffed, _, _ := mime.ParseMediaType(found.String())
	if usual, ok := usualTypes()[sniffed]; ok {
		sniffed = usual
	}
	return message.TypeOf(sniffed, hint), nil
}

// usualTypes maps unregistered type names of package mimetype, which phones may not know, to registered ones.
func usualTypes() map[string]string {
	return map[string]string{"audio/x-m4a": "audio/mp4", "video/x-m4v": "video/mp4"}
}

// inspectPicture reads a picture's dimensions and draws its thumbnail. It sets neither if the picture cannot be
// decoded.
func (s *Folder) inspectPicture(r io.ReadSeeker, known *message.Media) error {
	source := &exhausted{from: r}
	facts, format, err := image.DecodeConfig(source)
	known.Cut = err != nil && source.end
	if err != nil || facts.Width <= 0 || facts.Height <= 0 || facts.Width > math.MaxUint16 || facts.Height > math.MaxUint16 {
		return nil //nolint:nilerr // a file may be anything
	}
	if _, err = r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	camera := cameraOf(r)
	known.Width, known.Height = facts.Width, facts.Height
	if camera.held.turned() {
		known.Width, known.Height = facts.Height, facts.Width
	}
	if known.Animated, err = isAnimated(r); err != nil {
		return err
	}
	if decodedSize(format, facts, camera) > maxDecoded {
		known.Thumbnail = s.thumbnailOf(bytes.NewReader(camera.preview), camera.held)
		return nil
	}
	if source, err = newExhausted(r, format); err != nil {
		return err
	}
	s.drawing.Lock()
	defer s.drawing.Unlock()
	picture, _, err := image.Decode(source)
	if err != nil {
		known.Cut = source.end && !errors.Is(err, errTooManyScans)
		return nil //nolint:nilerr // as above
	}
	known.Thumbnail = thumbnail(picture, camera.held)
	return nil
}

// thumbnailOf draws the thumbnail of a small picture that is part of a file. It returns nil if that cannot be decoded.
func (s *Folder) thumbnailOf(r io.ReadSeeker, held orientation) []byte {
	facts, format, err := image.DecodeConfig(r)
	if err != nil || decodedSize(format, facts, camera{}) > maxDecoded {
		return nil
	}
	source, err := newExhausted(r, format)
	if err != nil {
		return nil
	}
	s.drawing.Lock()
	defer s.drawing.Unlock()
	picture, _, err := image.Decode(source)
	if err != nil {
		return nil
	}
	return thumbnail(picture, held)
}

// decodedSize returns about how many bytes the decoder of a format needs for a picture.
func decodedSize(format string, facts image.Config, of camera) int {
	const unknown = 8
	perPixel := unknown
	switch format {
	case "jpeg":
		perPixel = of.samples // one byte of each
		if of.progressive {
			perPixel += 4 * of.samples // it collects the coefficients first
		}
		if perPixel == 0 || of.samples == 4 {
			perPixel += unknown
		}
		return facts.Width * facts.Height * perPixel
	case "gif":
		perPixel = 2
	case "png":
		switch facts.ColorModel {
		case color.RGBA64Model, color.NRGBA64Model:
			perPixel = 8
		default:
			perPixel = 4
		}
	}
	return facts.Width * facts.Height * perPixel
}

// exhausted notes whether a decoder has read to the end of the file. Decoders return various errors for that.
type exhausted struct {
	from  io.Reader
	end   bool
	jpeg  bool
	after []byte // what may be missing at the end of the file
	last  byte   // the byte before the next ones
	scans int    // markers of scans that were read
}

// errTooManyScans ends the decoding of a JPEG that was made to take long.
var errTooManyScans = errors.New("the JPEG has too many scans")

// newExhausted makes the reader for decoding a whole picture from its begin.
func newExhausted(from io.ReadSeeker, format string) (*exhausted, error) {
	after, err := missingEnd(from, format)
	if err != nil {
		return nil, err
	}
	_, err = from.Seek(0, io.SeekStart)
	return &exhausted{from: from, jpeg: format == "jpeg", after: after}, err
}

func (e *exhausted) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	if e.countScans(p[:n]); e.scans > maxScans {
		return 0, errTooManyScans
	}
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	e.end = true
	if n == 0 && len(e.after) > 0 {
		n = copy(p, e.after)
		e.after = e.after[n:]
		return n, nil
	}
	if n > 0 {
		return n, nil // the end comes with the next call
	}
	return n, err
}

// countScans counts the markers of scans. In the coded bytes of a scan there are none.
func (e *exhausted) countScans(read []byte) {
	if !e.jpeg || len(read) == 0 {
		return
	}
	if e.last == 0xff && read[0] == 0xda {
		e.scans++
	}
	e.scans += bytes.Count(read, []byte{0xff, 0xda})
	e.last = read[len(read)-1]
}

// isAnimated recognizes an animated WebP picture, such as a sticker, by its extended header, and a GIF by its second
// picture.
func isAnimated(r io.ReadSeeker) (bool, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	const animation = 0x02
	var head [21]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, nil //nolint:nilerr // too short to be one
	}
	if string(head[:4]) == "GIF8" {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
		return hasSecondPicture(bufio.NewReader(r)), nil
	}
	return string(head[:4]) == "RIFF" && string(head[8:16]) == "WEBPVP8X" && head[20]&animation != 0, nil
}

// hasSecondPicture walks through the blocks of a GIF without decoding them.
func hasSecondPicture(r *bufio.Reader) bool {
	skip := func(n int) bool { _, err := r.Discard(n); return err == nil }
	table := func(flags byte) int { // bytes of the colours that follow
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	blocks := func() bool { // a chain of blocks, each with its size before it
		for {
			size, err := r.ReadByte()
			if err != nil || size == 0 {
				return err == nil
			}
			if !skip(int(size)) {
				return false
			}
		}
	}
	head := make([]byte, 13)
	if _, err := io.ReadFull(r, head); err != nil || !skip(table(head[10])) {
		return false
	}
	for pictures := 0; ; {
		kind, err := r.ReadByte()
		switch {
		case err != nil:
			return false
		case kind == 0x21: // an extension
			if !skip(1) || !blocks() {
				return false
			}
		case kind == 0x2c: // a picture
			if pictures++; pictures > 1 {
				return true
			}
			place := make([]byte, 9)
			if _, err := io.ReadFull(r, place); err != nil || !skip(table(place[8])+1) || !blocks() {
				return false
			}
		default:
			return false
		}
	}
}

// thumbnail returns a small JPEG of a picture, or nil if it cannot be encoded.
func thumbnail(picture image.Image, held orientation) []byte {
	bounds := picture.Bounds()
	// Scale in two steps: the first is coarse and reads only few pixels, the second is fine.
	if longer := max(bounds.Dx(), bounds.Dy()); longer > 8*thumbnailSide {
		picture = scaled(picture, 4*thumbnailSide, draw.ApproxBiLinear)
	}
	small := held.turnUpright(scaled(picture, thumbnailSide, draw.CatmullRom))
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: thumbnailQuality}); err != nil {
		return nil
	}
	return out.Bytes()
}

// scaled shrinks a picture until its longer side has side pixels. It draws on white, because a JPEG has no
// transparency. It does not enlarge a picture.
func scaled(picture image.Image, side int, how draw.Scaler) *image.RGBA {
	from := picture.Bounds()
	width, height := from.Dx(), from.Dy()
	if longer := max(width, height); longer > side {
		width, height = max(1, width*side/longer), max(1, height*side/longer)
	}
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(to, to.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	how.Scale(to, to.Bounds(), picture, from, draw.Over, nil)
	return to
}
