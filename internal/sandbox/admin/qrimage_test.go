package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	qrencode "github.com/skip2/go-qrcode"
)

// pairingCode has the length and alphabet of a real one.
var pairingCode = "https://wa.me/settings/linked_devices#2@" + strings.Repeat("Ab+/", 30) + "," +
	strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+",", 3) + "1"

func drawQR(t testing.TB, content string) image.Image {
	t.Helper()
	code, err := qrencode.New(content, qrencode.Medium)
	must(t, err)
	return code.Image(-6)
}

func encodePNG(t testing.TB, picture image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, png.Encode(&out, picture))
	return out.Bytes()
}

func TestAQRIsReadFromPictures(t *testing.T) {
	plain := drawQR(t, pairingCode)
	framed := image.NewRGBA(image.Rect(0, 0, plain.Bounds().Dx()+300, plain.Bounds().Dy()+200))
	draw.Draw(framed, framed.Bounds(), image.NewUniform(color.RGBA{220, 230, 240, 255}), image.Point{}, draw.Src)
	draw.Draw(framed, plain.Bounds().Add(image.Pt(150, 70)), plain, image.Point{}, draw.Src)
	var photo bytes.Buffer
	must(t, jpeg.Encode(&photo, framed, &jpeg.Options{Quality: 70}))
	for name, picture := range map[string][]byte{
		"a drawn PNG":      encodePNG(t, plain),
		"a framed PNG":     encodePNG(t, framed),
		"a JPEG of a page": photo.Bytes(),
	} {
		if got, err := readQR("png", picture); err != nil || got != pairingCode {
			t.Errorf("%s reads %q, %v", name, got, err)
		}
	}
}

func TestABadPictureNamesItsField(t *testing.T) {
	whole := encodePNG(t, drawQR(t, pairingCode))
	for name, test := range map[string]struct {
		picture []byte
		code    string
	}{
		"nothing":                  {nil, "invalid"},
		"text":                     {[]byte("hello"), "invalid"},
		"half a picture":           {whole[:len(whole)/2], "invalid"},
		"too many bytes":           {make([]byte, maxPicture+1), "invalid"},
		"too many pixels":          {claimSize(t, whole, 100_000, 100_000), "invalid"},
		"a picture without a code": {encodePNG(t, image.NewGray(image.Rect(0, 0, 200, 200))), "no_qr"},
		"one pixel":                {encodePNG(t, image.NewGray(image.Rect(0, 0, 1, 1))), "no_qr"},
	} {
		_, err := readQR("png", test.picture)
		var p *problem
		if !errors.As(err, &p) || p.field != "png" || p.code != test.code || p.status != 400 {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// claimSize changes the size in a PNG's header, with the checksum that belongs
// to it.
func claimSize(t *testing.T, picture []byte, width, height uint32) []byte {
	t.Helper()
	changed := bytes.Clone(picture)
	const header = 12 // after the signature and the chunk's length
	binary.BigEndian.PutUint32(changed[header+4:], width)
	binary.BigEndian.PutUint32(changed[header+8:], height)
	binary.BigEndian.PutUint32(changed[header+17:], crc32.ChecksumIEEE(changed[header:header+17]))
	return changed
}

func TestPicturesComeInBase64OrAsADataURL(t *testing.T) {
	text := base64.StdEncoding.EncodeToString([]byte("picture"))
	for _, given := range []string{text, " " + text + "\n", "data:image/png;base64," + text, "data:image/jpeg;base64," + text} {
		if got, err := decodePicture("png", given); err != nil || string(got) != "picture" {
			t.Errorf("%q reads %q, %v", given, got, err)
		}
	}
	for _, given := range []string{"", "***", "data:", "data:image/png," + text, "data:text/plain;base64," + text, "data:image/png;base64,"} {
		var p *problem
		if got, err := decodePicture("qr", given); !errors.As(err, &p) || p.field != "qr" {
			t.Errorf("%q reads %q, %v", given, got, err)
		}
	}
}

func FuzzReadQR(f *testing.F) {
	f.Add(encodePNG(f, drawQR(f, "x")))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, picture []byte) {
		if _, err := readQR("png", picture); err != nil {
			var p *problem
			if !errors.As(err, &p) {
				t.Fatalf("gives an error of another type: %v", err)
			}
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
