package outgoing

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"
)

// orientation says how the camera was held: one of the eight values of the EXIF tag 0x0112 (JEITA CP-3451, section
// 4.6.4). 1 is upright. It is also the value of a picture without a valid tag.
type orientation uint16

const upright orientation = 1

const (
	tag = 0x0112
	// maxExif is the number of bytes of a picture that are read. EXIF is in the first or second segment, each of at
	// most 64 KB.
	maxExif = 128 << 10
)

// turned reports whether width and height are swapped.
func (o orientation) turned() bool { return o >= 5 && o <= 8 }

// orientationOf reads the orientation from the beginning of a JPEG.
func orientationOf(r io.Reader) orientation {
	head, err := io.ReadAll(io.LimitReader(r, maxExif))
	if err != nil || !bytes.HasPrefix(head, []byte{0xff, 0xd8}) {
		return upright
	}
	for rest := head[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		marker, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if marker == 0xda || size < 2 || len(rest) < 2+size { // the picture begins
			return upright
		}
		if body := rest[4 : 2+size]; marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return orientationIn(body[6:])
		}
		rest = rest[2+size:]
	}
	return upright
}

// orientationIn finds the orientation in the first directory of a TIFF structure.
func orientationIn(tiff []byte) orientation {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return upright
	}
	if len(tiff) < 8 {
		return upright
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return upright
	}
	entries := tiff[at+2:]
	const size = 12
	for range order.Uint16(tiff[at:]) {
		if len(entries) < size {
			return upright
		}
		if order.Uint16(entries) == tag {
			if found := orientation(order.Uint16(entries[8:])); found >= 1 && found <= 8 {
				return found
			}
			return upright
		}
		entries = entries[size:]
	}
	return upright
}

// turnUpright turns a small picture upright.
func (o orientation) turnUpright(picture *image.RGBA) *image.RGBA {
	if o == upright {
		return picture
	}
	width, height := picture.Bounds().Dx(), picture.Bounds().Dy()
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	if o.turned() {
		to = image.NewRGBA(image.Rect(0, 0, height, width))
	}
	for x := range to.Bounds().Dx() {
		for y := range to.Bounds().Dy() {
			fromX, fromY := o.from(x, y, width, height)
			to.SetRGBA(x, y, picture.RGBAAt(fromX, fromY))
		}
	}
	return to
}

// from returns the coordinates in the stored picture for a point of the upright picture.
func (o orientation) from(x, y, width, height int) (int, int) {
	switch o {
	case 2:
		return width - 1 - x, y
	case 3:
		return width - 1 - x, height - 1 - y
	case 4:
		return x, height - 1 - y
	case 5:
		return y, x
	case 6:
		return y, height - 1 - x
	case 7:
		return width - 1 - y, height - 1 - x
	case 8:
		return width - 1 - y, x
	default:
		return x, y
	}
}
