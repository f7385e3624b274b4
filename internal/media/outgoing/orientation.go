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

// The tags of EXIF that are read.
const (
	tagOrientation = 0x0112
	tagPreview     = 0x0201 // where the small picture begins
	tagPreviewSize = 0x0202
)

// maxHead is how many bytes of a picture are read. Phones put up to some hundred KB before the picture, in segments of
// at most 64 KB.
const maxHead = 1 << 20

// turned reports whether width and height are swapped.
func (o orientation) turned() bool { return o >= 5 && o <= 8 }

// camera is what a JPEG says beside its pixels.
type camera struct {
	held        orientation
	preview     []byte // a small JPEG of the same picture; nil: there is none
	samples     int    // bytes of a pixel once it is decoded, rounded up; 0: unknown
	progressive bool
}

// cameraOf reads the beginning of a JPEG.
func cameraOf(r io.Reader) camera {
	found := camera{held: upright}
	head, err := io.ReadAll(io.LimitReader(r, maxHead))
	if err != nil || !bytes.HasPrefix(head, []byte{0xff, 0xd8}) {
		return found
	}
	for rest := head[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		marker, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if marker == 0xff { // it may be repeated
			rest = rest[1:]
			continue
		}
		if marker == 0xda || size < 2 || len(rest) < 2+size { // the picture begins
			return found
		}
		switch body := rest[4 : 2+size]; {
		case marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			found.held, found.preview = exifOf(body[6:])
		case marker >= 0xc0 && marker <= 0xc2 && len(body) >= 6:
			found.progressive, found.samples = marker == 0xc2, samplesOf(body)
		}
		rest = rest[2+size:]
	}
	return found
}

// samplesOf returns how many bytes a pixel has in the frame of this header (ITU-T T.81, B.2.2), rounded up. Colours have
// mostly fewer samples than pixels.
func samplesOf(frame []byte) int {
	components := frame[6:]
	if len(frame) < 6 || int(frame[5]) > len(components)/3 {
		return 4
	}
	var sum, most int
	for i := range int(frame[5]) {
		samples := int(components[3*i+1]>>4) * int(components[3*i+1]&15)
		sum, most = sum+samples, max(most, samples)
	}
	if most == 0 {
		return 4
	}
	return (sum + most - 1) / most
}

// exifOf finds the orientation in the first directory of a TIFF structure, and the small picture in the second.
func exifOf(tiff []byte) (orientation, []byte) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return upright, nil
	}
	if len(tiff) < 8 {
		return upright, nil
	}
	first, next := directoryOf(tiff, order, order.Uint32(tiff[4:]))
	held := orientation(first[tagOrientation] >> 16) // a short is in the first half
	if order == binary.LittleEndian {
		held = orientation(first[tagOrientation])
	}
	if held < 1 || held > 8 {
		held = upright
	}
	second, _ := directoryOf(tiff, order, next)
	from, size := uint64(second[tagPreview]), uint64(second[tagPreviewSize])
	if from == 0 || size == 0 || from+size > uint64(len(tiff)) {
		return held, nil
	}
	return held, tiff[from : from+size]
}

// directoryOf reads the values of a directory that have at most 4 bytes, by their tags, and where the next one is.
func directoryOf(tiff []byte, order binary.ByteOrder, from uint32) (values map[uint16]uint32, next uint32) {
	const size = 12
	values = make(map[uint16]uint32)
	at := uint64(from)
	if at == 0 || at+2 > uint64(len(tiff)) {
		return values, 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < size {
			return values, 0
		}
		switch name := order.Uint16(entries); name {
		case tagOrientation, tagPreview, tagPreviewSize:
			if _, again := values[name]; !again {
				values[name] = order.Uint32(entries[8:])
			}
		}
		entries = entries[size:]
	}
	if len(entries) >= 4 {
		next = order.Uint32(entries)
	}
	return values, next
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
