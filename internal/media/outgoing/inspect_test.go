package outgoing_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"wasup/internal/message"
	"wasup/internal/session"
)

func picture(width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		for y := range height {
			m.SetRGBA(x, y, color.RGBA{R: uint8(x), G: uint8(y), B: 100, A: 255})
		}
	}
	return m
}

func encoded(t testing.TB, kind string, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	switch kind {
	case "image/jpeg":
		err = jpeg.Encode(&out, m, nil)
	case "image/png":
		err = png.Encode(&out, m)
	default:
		err = gif.Encode(&out, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPicturesHaveTheirTypeTheirSizeAndAThumbnail(t *testing.T) {
	folder, _ := newFolder(t)
	for _, kind := range []string{"image/jpeg", "image/png", "image/gif"} {
		for _, size := range [][2]int{{40, 30}, {300, 200}, {500, 850}} {
			if kind == "image/gif" && size[0] > 300 {
				continue // too slow to reduce to 256 colours, and scaled like the other formats
			}
			known := put(t, folder, encoded(t, kind, picture(size[0], size[1])), message.FileHint{Mime: "video/mp4"})
			if known.Mime != kind || known.Width != size[0] || known.Height != size[1] {
				t.Fatalf("%s %v: %+v", kind, size, known)
			}
			small, format, err := image.Decode(bytes.NewReader(known.Thumbnail))
			if err != nil || format != "jpeg" {
				t.Fatalf("%s %v: a thumbnail of %d bytes: %s, %v", kind, size, len(known.Thumbnail), format, err)
			}
			bounds := small.Bounds()
			if longer := max(bounds.Dx(), bounds.Dy()); longer != min(100, max(size[0], size[1])) || (bounds.Dx() > bounds.Dy()) != (size[0] > size[1]) {
				t.Errorf("%s %v: a thumbnail of %v", kind, size, bounds)
			}
			if err = (message.Content{Kind: message.KindImage, Media: &known}).Check(); err != nil {
				t.Error(err)
			}
		}
	}
}

// held adds to a JPEG how the camera was held.
func held(picture []byte, orientation byte, little bool) []byte {
	tiff := []byte{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 2, 1, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0}
	if little {
		tiff = []byte{'I', 'I', '*', 0, 8, 0, 0, 0, 2, 0, 0, 1, 4, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0}
	}
	body := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(body) + 2)}, body...)
	return append(out, picture[2:]...)
}

func TestAPictureOfACameraThatWasTurnedStandsUpright(t *testing.T) {
	folder, _ := newFolder(t)
	// A picture with a red corner. Each orientation stores the corner in another place.
	const width, height = 60, 40
	corner := func(right, bottom bool) []byte {
		m := image.NewRGBA(image.Rect(0, 0, width, height))
		for x := range width {
			for y := range height {
				m.SetRGBA(x, y, color.RGBA{B: 255, A: 255})
				if (x >= width/2) == right && (y >= height/2) == bottom {
					m.SetRGBA(x, y, color.RGBA{R: 255, A: 255})
				}
			}
		}
		return encoded(t, "image/jpeg", m)
	}
	for orientation, where := range map[byte]struct{ right, bottom, turned bool }{
		0: {}, 1: {}, 2: {right: true}, 3: {right: true, bottom: true}, 4: {bottom: true}, 9: {},
		5: {turned: true}, 6: {bottom: true, turned: true}, 7: {right: true, bottom: true, turned: true}, 8: {right: true, turned: true},
	} {
		for _, little := range []bool{false, true} {
			known := put(t, folder, held(corner(where.right, where.bottom), orientation, little), message.FileHint{})
			wantWidth, wantHeight := width, height
			if where.turned {
				wantWidth, wantHeight = height, width
			}
			small, err := jpeg.Decode(bytes.NewReader(known.Thumbnail))
			if err != nil || known.Width != wantWidth || known.Height != wantHeight || small.Bounds().Dx() != wantWidth {
				t.Fatalf("%d: %d by %d, %v", orientation, known.Width, known.Height, err)
			}
			if r, _, b, _ := small.At(5, 5).RGBA(); r < b {
				t.Errorf("%d: the corner is not at the top left", orientation)
			}
			if r, _, b, _ := small.At(wantWidth-6, wantHeight-6).RGBA(); r > b {
				t.Errorf("%d: the corner is at the bottom right", orientation)
			}
		}
	}
}

// pngOf is a PNG that claims a size and has no picture.
func pngOf(width, height uint32) []byte {
	header := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	header = append(header, 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, header...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(header))
}

func TestAPictureThatWouldFillTheMemoryIsNotDecoded(t *testing.T) {
	folder, _ := newFolder(t)
	for _, size := range [][2]uint32{{60_000, 60_000}, {3600, 3600}} { // 14 GB; cut off
		known := put(t, folder, pngOf(size[0], size[1]), message.FileHint{})
		if known.Mime != "image/png" || known.Width != int(size[0]) || known.Thumbnail != nil {
			t.Errorf("%v: %+v", size, known)
		}
	}
	if known := put(t, folder, pngOf(1<<30, 1<<30), message.FileHint{}); known.Width != 0 || known.Thumbnail != nil {
		t.Errorf("%+v", known)
	}
}

func TestAPictureThatBreaksOffIsSaidTo(t *testing.T) {
	folder, _ := newFolder(t)
	for _, kind := range []string{"image/jpeg", "image/png", "image/gif"} {
		whole := encoded(t, kind, picture(200, 100))
		if known := put(t, folder, whole, message.FileHint{}); known.Cut {
			t.Errorf("%s is whole", kind)
		}
		for _, size := range []int{40, 300, len(whole) / 2, len(whole) - len(whole)/10} {
			known := put(t, folder, whole[:size], message.FileHint{})
			if known.Mime != kind || !known.Cut {
				t.Errorf("%d of %d bytes: %+v", size, len(whole), known)
			}
			if again, err := folder.Use(t.Context(), known.File); err != nil || !again.Cut {
				t.Errorf("used by another message: %+v, %v", again, err)
			}
		}
		broken := bytes.Clone(whole)
		copy(broken[len(whole)/2:], make([]byte, 20))
		if known := put(t, folder, broken, message.FileHint{}); known.Mime != kind {
			t.Errorf("%+v", known)
		}
	}
	if known := put(t, folder, someBytes(500), message.FileHint{Mime: "image/png"}); known.Cut || known.Mime != "application/octet-stream" {
		t.Errorf("what is no picture: %+v", known)
	}
}

func TestAMovingStickerIsKnown(t *testing.T) {
	folder, _ := newFolder(t)
	// The header of an animated WebP of 512 by 512 with its animation chunk.
	webp := []byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\x01\x00\xff\x01\x00ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	if known := put(t, folder, webp, message.FileHint{}); known.Mime != "image/webp" || known.Width != 512 || known.Height != 512 || !known.Animated {
		t.Errorf("%+v", known)
	}
	webp[20] = 0
	if known := put(t, folder, webp, message.FileHint{}); known.Mime != "image/webp" || known.Animated {
		t.Errorf("%+v", known)
	}
}

// page is one page of an ogg file.
func page(position uint64, number uint32, packets ...[]byte) []byte {
	var lacing, body []byte
	for _, packet := range packets {
		for n := len(packet); ; n -= 255 {
			lacing = append(lacing, byte(min(n, 255)))
			if n < 255 {
				break
			}
		}
		body = append(body, packet...)
	}
	out := append([]byte("OggS"), 0, 0)
	out = binary.LittleEndian.AppendUint64(out, position)
	out = binary.LittleEndian.AppendUint32(out, 7)
	out = binary.LittleEndian.AppendUint32(out, number)
	out = append(out, 0, 0, 0, 0, byte(len(lacing)))
	return append(append(out, lacing...), body...)
}

// oggOf is an ogg file of a codec: 50 packets a second, of which the second half is louder.
func oggOf(codec string, seconds int) []byte {
	head := append([]byte(codec), 1, 1, 0x38, 0x01, 0x80, 0xbb, 0, 0, 0, 0, 0) // 312 samples to skip
	out := page(0, 0, head)
	out = append(out, page(0, 1, append([]byte("OpusTags"), make([]byte, 700)...))...)
	for s := range seconds {
		var packets [][]byte
		for range 50 {
			size := 20
			if s >= seconds/2 {
				size = 300
			}
			packets = append(packets, make([]byte, size))
		}
		out = append(out, page(uint64(s+1)*48_000+312, uint32(s+2), packets...)...)
	}
	return out
}

func TestAVoiceNoteHasItsLengthAndShape(t *testing.T) {
	folder, _ := newFolder(t)
	known := put(t, folder, oggOf("OpusHead", 10), message.FileHint{Mime: "audio/mpeg"})
	if known.Mime != message.MimeVoice || known.Seconds != 10 || len(known.Waveform) != 64 {
		t.Fatalf("%+v", known)
	}
	if known.Waveform[0] > 10 || known.Waveform[63] != 100 || known.Waveform[31] > 10 {
		t.Errorf("the waveform is %v", known.Waveform)
	}
	voice := message.Content{Kind: message.KindVoice, Media: &known}
	if err := voice.Check(); err != nil {
		t.Error(err)
	}
	cut := put(t, folder, oggOf("OpusHead", 10)[:20_000], message.FileHint{})
	if cut.Mime != message.MimeVoice || cut.Seconds < 1 || cut.Seconds >= 10 {
		t.Errorf("a recording that was cut off: %+v", cut)
	}
}

func TestWhatIsNoVoiceNoteIsSaidNotToBe(t *testing.T) {
	folder, _ := newFolder(t)
	for name, data := range map[string][]byte{
		"vorbis": oggOf("\x01vorbis\x00", 3), "mp3": append([]byte("ID3\x03\x00\x00\x00\x00\x00\x00"), someBytes(1000)...),
		"two streams": append(oggOf("OpusHead", 1), bytes.ReplaceAll(oggOf("OpusHead", 1), []byte{7, 0, 0, 0}, []byte{8, 0, 0, 0})...),
		"text":        []byte("OpusHead, but not in ogg"),
	} {
		known := put(t, folder, data, message.FileHint{Mime: message.MimeVoice})
		voice := message.Content{Kind: message.KindVoice, Media: &known}
		if err := voice.Check(); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("%s: taken for a voice note as %s: %v", name, known.Mime, err)
		}
	}
}

func TestTheBytesSayMoreThanTheCaller(t *testing.T) {
	folder, _ := newFolder(t)
	for i, test := range []struct{ data, hint, want string }{
		{"%PDF-1.7\n%", "image/png", "application/pdf"},
		{"hello, world", "", "text/plain"},
		{"a,b\n1,2", "text/csv", "text/csv"},
		{"hello, world", "image/png", "text/plain"},
		{"\x00\x01\x02\x03", "application/x-own; version=1", "application/x-own"},
		{"\x00\x01\x02\x03", "nonsense", "application/octet-stream"},
		{"<html><body>", "image/jpeg", "text/html"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if known := put(t, folder, []byte(test.data), message.FileHint{Mime: test.hint}); known.Mime != test.want {
				t.Errorf("%q as %q is %q, want %q", test.data, test.hint, known.Mime, test.want)
			}
		})
	}
}

func FuzzWhateverComesIsKept(f *testing.F) {
	folder, _ := newFolder(f)
	f.Add(oggOf("OpusHead", 2))
	f.Add(pngOf(10, 10))
	f.Add(held(encoded(f, "image/jpeg", picture(8, 8)), 6, true))
	f.Add([]byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\x01\x00\xff\x01\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		known := put(t, folder, data, message.FileHint{})
		if got := read(t, folder, known.File); !bytes.Equal(got, data) {
			t.Fatal("the file changed")
		}
		if err := folder.Remove(known.File); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSoundAndFilmHaveTheNamesThatPhonesKnow(t *testing.T) {
	folder, _ := newFolder(t)
	for brand, want := range map[string]string{"M4A ": "audio/mp4", "M4V ": "video/mp4", "isom": "video/mp4"} {
		file := append([]byte("\x00\x00\x00\x18ftyp"+brand+"\x00\x00\x02\x00"+brand+"iso2"), someBytes(500)...)
		if known := put(t, folder, file, message.FileHint{}); known.Mime != want {
			t.Errorf("%q is %q", brand, known.Mime)
		}
	}
}
