package main

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
)

// drawPNG draws a picture of a QR with half blocks: a character shows two modules, dark on light because scanners
// expect that. It draws the pixels of the picture, so that the terminal shows exactly the answer of /qr-code.
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

// moduleSize returns the width of a module in pixels, 0 for a blank picture. The finder pattern in the corner is seven
// modules wide.
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
