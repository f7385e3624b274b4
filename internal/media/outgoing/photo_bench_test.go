package outgoing_test

import (
	"bytes"
	"image"
	"testing"

	"wasup/internal/message"
)

// BenchmarkAPhoto stores a photo of 24 megapixels, which phones take by default.
func BenchmarkAPhoto(b *testing.B) {
	m := image.NewYCbCr(image.Rect(0, 0, 6000, 4000), image.YCbCrSubsampleRatio420)
	for i := range m.Y {
		m.Y[i] = uint8(i / 7)
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(i/11), uint8(i/13)
	}
	photo := encoded(b, "image/jpeg", m)
	folder, _ := newFolder(b)
	b.SetBytes(int64(len(photo)))
	b.ReportAllocs()
	for b.Loop() {
		if known, err := folder.Put(b.Context(), bytes.NewReader(photo), message.FileHint{}); err != nil || known.Thumbnail == nil {
			b.Fatalf("%+v, %v", known, err)
		}
	}
}
