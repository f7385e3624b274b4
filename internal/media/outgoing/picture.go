package outgoing

import (
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
	"strings"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"

	"wasup/internal/message"
)

const (
	// thumbnailSide is the longer side of a thumbnail, in pixels.
	thumbnailSide    = 100
	thumbnailQuality = 60
	// maxPixels is the maximum size of pictures that are decoded for a thumbnail. Such a picture needs about 190 MB for
	// a moment. Larger ones get no thumbnail.
	maxPixels = 12_600_000
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
	said, _, err := mime.ParseMediaType(hint)
	if err != nil || !strings.Contains(said, "/") || len(said) > 100 {
		return sniffed, nil
	}
	family, _, _ := strings.Cut(said, "/")
	switch {
	case sniffed == "application/octet-stream" && message.ShownAsImage(said):
		return sniffed, nil
	case sniffed == "application/octet-stream":
		return said, nil
	case family == "image" || family == "video" || family == "audio":
		return sniffed, nil // the bytes of these are always recognized
	case sniffed == "text/plain", sniffed == "application/zip", sniffed == "application/x-ole-storage":
		return said, nil // many formats are built on these
	default:
		return sniffed, nil
	}
}

// usualTypes maps unregistered type names of package mimetype, which phones may not know, to registered ones.
func usualTypes() map[string]string {
	return map[string]string{"audio/x-m4a": "audio/mp4", "video/x-m4v": "video/mp4"}
}

// inspectPicture reads a picture's dimensions and draws its thumbnail. It sets neither if the picture cannot be
// decoded.
func (s *Folder) inspectPicture(r io.ReadSeeker, known *message.Media) error {
	source := &exhausted{from: r}
	facts, _, err := image.DecodeConfig(source)
	known.Cut = err != nil && source.end
	if err != nil || facts.Width <= 0 || facts.Height <= 0 || facts.Width > math.MaxUint16 || facts.Height > math.MaxUint16 {
		return nil //nolint:nilerr // a file may be anything
	}
	if _, err = r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	held := orientationOf(r)
	known.Width, known.Height = facts.Width, facts.Height
	if held.turned() {
		known.Width, known.Height = facts.Height, facts.Width
	}
	if known.Animated, err = isAnimated(r); err != nil {
		return err
	}
	if facts.Width*facts.Height > maxPixels {
		return nil
	}
	if _, err = r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.drawing.Lock()
	defer s.drawing.Unlock()
	source = &exhausted{from: r}
	picture, _, err := image.Decode(source)
	if err != nil {
		known.Cut = source.end
		return nil //nolint:nilerr // as above
	}
	known.Thumbnail = thumbnail(picture, held)
	return nil
}

// exhausted notes whether a decoder has read to the end of the file. Decoders return various errors for that.
type exhausted struct {
	from io.Reader
	end  bool
}

func (e *exhausted) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	e.end = e.end || errors.Is(err, io.EOF)
	return n, err
}

// isAnimated recognizes an animated WebP picture, such as a sticker, by its extended header.
func isAnimated(r io.ReadSeeker) (bool, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	const animation = 0x02
	var head [21]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, nil //nolint:nilerr // too short to be one
	}
	return string(head[:4]) == "RIFF" && string(head[8:16]) == "WEBPVP8X" && head[20]&animation != 0, nil
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
