package outgoing_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/message"
)

// recording is a file of an encoder: three seconds of a film of 64 by 36 pixels, or of a tone.
func recording(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("container", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestFilmsAndSoundsHaveTheirLengthAndSize(t *testing.T) {
	folder, _ := newFolder(t)
	for name, want := range map[string]message.Media{
		"film.mp4":      {Mime: "video/mp4", Width: 64, Height: 36},
		"turned.mp4":    {Mime: "video/mp4", Width: 36, Height: 64},
		"fragments.mp4": {Mime: "video/mp4", Width: 64, Height: 36},
		"hevc.mp4":      {Mime: "video/mp4", Width: 64, Height: 36, Unplayable: true},
		"film.mov":      {Mime: "video/quicktime", Width: 64, Height: 36, Unplayable: true},
		"film.webm":     {Mime: "video/webm", Width: 64, Height: 36, Unplayable: true},
		"film.mkv":      {Mime: "video/matroska", Width: 64, Height: 36, Unplayable: true},
		"film.avi":      {Mime: "video/x-msvideo", Width: 64, Height: 36},
		"sound.mp4":     {Mime: "audio/mp4"},
		"sound.m4a":     {Mime: "audio/mp4"},
		"sound.webm":    {Mime: "audio/webm"},
		"recorded.webm": {Mime: "audio/webm"},
		"constant.mp3":  {Mime: "audio/mpeg"},
		"variable.mp3":  {Mime: "audio/mpeg"},
		"sound.aac":     {Mime: "audio/aac"},
		"sound.amr":     {Mime: "audio/amr"},
		"sound.ogg":     {Mime: "audio/ogg"},
		"sound.flac":    {Mime: "audio/flac"},
		"sound.wav":     {Mime: "audio/wav"},
	} {
		got := put(t, folder, recording(t, name), message.FileHint{Mime: "text/plain"})
		if got.Mime != want.Mime || got.Seconds != 3 || got.Width != want.Width || got.Height != want.Height || got.Unplayable != want.Unplayable {
			t.Errorf("%s: %+v", name, got)
		}
		if again, err := folder.Use(t.Context(), got.File); err != nil || again.Unplayable != want.Unplayable || again.Seconds != 3 {
			t.Errorf("%s used by a message: %+v, %v", name, again, err)
		}
	}
}

func TestTheCoverOfAFileIsItsThumbnail(t *testing.T) {
	folder, _ := newFolder(t)
	box := func(kind string, body ...byte) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
	}
	cover := append([]byte{0, 0, 0, 13, 0, 0, 0, 0}, encoded(t, "image/jpeg", picture(300, 200))...)
	meta := box("meta", append(make([]byte, 4), box("ilst", box("covr", box("data", cover...)...)...)...)...)
	film := append(recording(t, "film.mp4"), box("moov", box("udta", meta...)...)...)
	known := put(t, folder, film, message.FileHint{})
	small, err := jpeg.Decode(bytes.NewReader(known.Thumbnail))
	if err != nil || small.Bounds().Dx() != 100 || known.Seconds != 3 {
		t.Errorf("%v, %+v", err, known)
	}
}

func TestAJPEGMayLackItsLastTwoBytes(t *testing.T) {
	folder, _ := newFolder(t)
	whole := encoded(t, "image/jpeg", picture(200, 100))
	for cut := range 3 {
		if known := put(t, folder, whole[:len(whole)-cut], message.FileHint{}); known.Cut || known.Thumbnail == nil {
			t.Errorf("without its last %d bytes: %+v", cut, known)
		}
	}
	for cut := 5; cut < 60; cut++ {
		if known := put(t, folder, whole[:len(whole)-cut], message.FileHint{}); !known.Cut {
			t.Errorf("without its last %d bytes it is taken for whole", cut)
		}
	}
}

func TestAPictureMayLackWhatFollowsItsLastPixel(t *testing.T) {
	folder, _ := newFolder(t)
	webP := mustDecode(t, "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==") // one pixel, lossless, with the byte that pads its chunk
	for kind, test := range map[string]struct {
		whole []byte
		most  int // how many bytes behind the last pixel
	}{
		"image/png":  {encoded(t, "image/png", picture(200, 100)), 16}, // IEND, and the checksum of the pixels
		"image/gif":  {encoded(t, "image/gif", picture(200, 100)), 2},  // the last block, which is empty, and the trailer
		"image/webp": {webP, 1},
	} {
		for cut := range test.most + 1 {
			if known := put(t, folder, test.whole[:len(test.whole)-cut], message.FileHint{}); known.Mime != kind || known.Cut || known.Thumbnail == nil {
				t.Errorf("%s without its last %d bytes: %+v", kind, cut, known)
			}
		}
		if kind == "image/webp" {
			continue // so small that a shorter one has no header
		}
		for _, cut := range []int{30, 60, 100, len(test.whole) / 2} {
			if known := put(t, folder, test.whole[:len(test.whole)-cut], message.FileHint{}); !known.Cut {
				t.Errorf("%s without its last %d bytes is taken for whole", kind, cut)
			}
		}
	}
	// Between two chunks with pixels, a PNG looks as if only its end were missing.
	half := halfPNG(t)
	if known := put(t, folder, half, message.FileHint{}); !known.Cut {
		t.Errorf("half of the pixels: %+v", known)
	}
}

func mustDecode(t *testing.T, text string) []byte {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// halfPNG is a PNG that ends at the end of a chunk, in the middle of its pixels.
func halfPNG(t *testing.T) []byte {
	t.Helper()
	whole := encoded(t, "image/png", picture(200, 100))
	at := bytes.Index(whole, []byte("IDAT"))
	head := bytes.Clone(whole[:at-4])
	chunk := append([]byte("IDAT"), whole[at+4:at+104]...)
	head = binary.BigEndian.AppendUint32(head, 100)
	return binary.BigEndian.AppendUint32(append(head, chunk...), crc32.ChecksumIEEE(chunk))
}

func TestAPhotoOfAPhoneHasAThumbnail(t *testing.T) {
	folder, _ := newFolder(t)
	grey := func(width, height int) []byte { // encoded faster than colours
		return encoded(t, "image/jpeg", image.NewGray(image.Rect(0, 0, width, height)))
	}
	if known := put(t, folder, grey(6000, 4000), message.FileHint{}); known.Width != 6000 || known.Thumbnail == nil || known.Cut {
		t.Errorf("24 megapixels: %d by %d, a thumbnail of %d bytes", known.Width, known.Height, len(known.Thumbnail))
	}
	// A photo too large to decode has the small picture of its camera. The header claims 65,000 by 65,000.
	tiny := encoded(t, "image/jpeg", picture(160, 120))
	huge := grey(8, 8)
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(huge[at+5:], 65_000)
	binary.BigEndian.PutUint16(huge[at+7:], 65_000)
	known := put(t, folder, withPreview(huge, tiny), message.FileHint{})
	if small, err := jpeg.Decode(bytes.NewReader(known.Thumbnail)); err != nil || known.Width != 65_000 || small.Bounds().Dx() != 100 {
		t.Errorf("%v, %+v", err, known)
	}
}

func TestAJPEGOfManyScansIsNotDecodedToItsEnd(t *testing.T) {
	folder, _ := newFolder(t)
	whole := encoded(t, "image/jpeg", picture(16, 16))
	begin := bytes.Index(whole, []byte{0xff, 0xda})
	scans := append(bytes.Clone(whole[:begin]), bytes.Repeat(whole[begin:len(whole)-2], 200)...)
	if known := put(t, folder, append(scans, 0xff, 0xd9), message.FileHint{}); known.Width != 16 || known.Thumbnail != nil || known.Cut {
		t.Errorf("%+v", known)
	}
}

// withPreview adds the small picture of a camera to a JPEG: in the second directory of its EXIF.
func withPreview(photo, preview []byte) []byte {
	tiff := []byte{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 0, 0, 0, 0, 14, 0, 2}
	tiff = append(tiff, 2, 1, 0, 4, 0, 0, 0, 1)
	tiff = binary.BigEndian.AppendUint32(tiff, 44)
	tiff = append(tiff, 2, 2, 0, 4, 0, 0, 0, 1)
	tiff = binary.BigEndian.AppendUint32(tiff, uint32(len(preview)))
	tiff = append(append(tiff, 0, 0, 0, 0), preview...)
	body := append([]byte("Exif\x00\x00"), tiff...)
	out := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(body)+2))
	return append(append(out, body...), photo[2:]...)
}

func TestAMovingGIFIsKnown(t *testing.T) {
	folder, _ := newFolder(t)
	frame := image.NewPaletted(image.Rect(0, 0, 20, 10), color.Palette{color.Black, color.White})
	for frames, animated := range map[int]bool{1: false, 2: true, 5: true} {
		moving := gif.GIF{LoopCount: 0}
		for range frames {
			moving.Image, moving.Delay = append(moving.Image, frame), append(moving.Delay, 10)
		}
		var out bytes.Buffer
		if err := gif.EncodeAll(&out, &moving); err != nil {
			t.Fatal(err)
		}
		if known := put(t, folder, out.Bytes(), message.FileHint{}); known.Mime != "image/gif" || known.Animated != animated || known.Width != 20 || known.Thumbnail == nil {
			t.Errorf("%d pictures: %+v", frames, known)
		}
	}
}

func TestTheNamesOfServersAreKept(t *testing.T) {
	folder, _ := newFolder(t, private)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if header := r.URL.Query().Get("header"); header != "" {
			w.Header()["Content-Disposition"] = []string{header}
		}
		_, _ = w.Write([]byte("%PDF-1.7\n%"))
	})
	header := func(text string) string { return "/?header=" + url.QueryEscape(text) }
	for address, want := range map[string]string{
		header(`attachment; filename=Factura Enero.pdf`):                      "Factura Enero.pdf",
		header(`attachment; filename="=?UTF-8?B?RmFjdHVyYWNpw7NuLnBkZg==?="`): "Facturación.pdf",
		header(`attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd`):         "passwd",
		header(`attachment; filename="a%00b%0A.pdf"`):                         "ab.pdf",
		header(`attachment; filename*=UTF-8''factura%E2%80%AEfdp.exe`):        "facturafdp.exe",
		header(`attachment; filename=` + strings.Repeat("x", 300) + ".pdf"):   strings.Repeat("x", 251) + ".pdf",
		"/download.php": "download.php", "/facturas/1042": "1042", "/": "",
	} {
		known, err := folder.Fetch(t.Context(), server.URL+address, message.FileHint{})
		if err != nil || known.Name != want {
			t.Errorf("%s: %q, %v; want %q", address, known.Name, err, want)
		}
	}
	if known, err := folder.Fetch(t.Context(), strings.Replace(server.URL, "127.0.0.1:", "127.0.0.1:9", 1)+"9999", message.FileHint{}); err == nil {
		t.Errorf("a port that does not exist: %+v", known)
	}
}
