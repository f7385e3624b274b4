package main

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
)

// drawPNG draws a QR picture with half blocks, two modules a character, dark on light as scanners want it. It reads the
// picture itself rather than the code, so that what is drawn is what /qr-code answered.
func drawPNG(data []byte) (string, error) {
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	size, module := picture.Bounds().Dx(), moduleSize(picture)
	if module == 0 {
		return "", errors.New("the picture is blank")
	}
	dark := func(x, y int) bool {
		if y >= size/module {
			return false
		}
		r, _, _, _ := picture.At(x*module+module/2, y*module+module/2).RGBA()
		return r < 0x8000
	}
	var b strings.Builder
	for y := 0; y < size/module; y += 2 {
		b.WriteString("  \x1b[30;107m")
		for x := range size / module {
			switch {
			case dark(x, y) && dark(x, y+1):
				b.WriteRune('█')
			case dark(x, y):
				b.WriteRune('▀')
			case dark(x, y+1):
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}

// moduleSize is the width of a module in pixels: the finder pattern in the corner is seven modules wide.
func moduleSize(picture image.Image) int {
	bounds := picture.Bounds()
	for i := bounds.Min.X; i < bounds.Max.X; i++ {
		if r, _, _, _ := picture.At(i, i).RGBA(); r >= 0x8000 {
			continue
		}
		run := 0
		for x := i; x < bounds.Max.X; x++ {
			if r, _, _, _ := picture.At(x, i).RGBA(); r >= 0x8000 {
				break
			}
			run++
		}
		return run / 7
	}
	return 0
}
