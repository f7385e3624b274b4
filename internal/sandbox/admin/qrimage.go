package admin

import (
	"bytes"
	"encoding/base64"
	"image"
	_ "image/jpeg" // a photograph of a screen
	_ "image/png"  // the format of /qr-code
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

const (
	// maxPicture bounds an encoded picture, in bytes.
	maxPicture = 4 << 20
	// maxPixels bounds a decoded picture. A PNG of a few kilobytes can declare
	// gigabytes of pixels, so the size is checked before decoding.
	maxPixels = 16 << 20
)

// readQR finds the QR code in an encoded PNG or JPEG and returns its content.
// field names the input in errors.
func readQR(field string, encoded []byte) (content string, err error) {
	if len(encoded) > maxPicture {
		return "", invalid(field, "expected a picture of at most %d bytes", maxPicture)
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(encoded))
	if err != nil {
		return "", invalid(field, "expected a PNG or JPEG picture")
	}
	if size.Width <= 0 || size.Height <= 0 || size.Width > maxPixels/size.Height {
		return "", invalid(field, "expected a picture of at most %d pixels", maxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(encoded))
	if err != nil {
		return "", invalid(field, "expected a whole PNG or JPEG picture")
	}
	// The decoder panics on some pictures (index out of range). Such a picture
	// counts as one without a QR code.
	defer func() {
		if reason := recover(); reason != nil {
			content, err = "", noQR(field)
		}
	}()
	luminance := gozxing.NewLuminanceSourceFromImage(picture)
	// The attempts are for a photograph, a drawn code and an evenly lit photograph.
	// Each reads pictures that the others cannot.
	for _, try := range []struct {
		binarizer gozxing.Binarizer
		hint      gozxing.DecodeHintType
	}{
		{gozxing.NewHybridBinarizer(luminance), gozxing.DecodeHintType_TRY_HARDER},
		{gozxing.NewHybridBinarizer(luminance), gozxing.DecodeHintType_PURE_BARCODE},
		{gozxing.NewGlobalHistgramBinarizer(luminance), gozxing.DecodeHintType_TRY_HARDER},
	} {
		bitmap, err := gozxing.NewBinaryBitmap(try.binarizer)
		if err != nil {
			continue
		}
		result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{try.hint: true})
		if err == nil {
			return result.GetText(), nil
		}
	}
	return "", noQR(field)
}

func noQR(field string) *problem {
	p := invalid(field, "expected a picture with one readable QR code")
	p.code = "no_qr"
	return p
}

// decodePicture decodes base64, plain or as a data URL. /qr-code answers a data URL.
func decodePicture(field, text string) ([]byte, error) {
	if rest, isURL := strings.CutPrefix(text, "data:"); isURL {
		media, data, ok := strings.Cut(rest, ",")
		if !ok || !strings.HasPrefix(media, "image/") || !strings.HasSuffix(media, ";base64") {
			return nil, invalid(field, "expected data:image/png;base64, and the picture")
		}
		text = data
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) == 0 {
		return nil, invalid(field, "expected a picture in base64, or a data URL of one")
	}
	return raw, nil
}
