package qr

import (
	"errors"
	"fmt"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/detector"
	"github.com/skip2/go-qrcode"
)

// symbolOf returns the code's modules at error level M, without the quiet zone. Dark modules are true.
//
// In about 1 of 60 codes of WhatsApp a part of the data looks like one of the three corner marks. Decoders of the ZXing
// family then search for the symbol in the wrong place, even in a perfect picture. Such a code is encoded again as the
// next larger version, where the data is at other places.
func symbolOf(code string) ([][]bool, error) {
	for i := range len(code) {
		if code[i] >= 0x80 {
			return nil, errors.New("draw a QR: the code is not ASCII")
		}
	}
	smallest, err := qrcode.New(code, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("draw a QR: %w", err)
	}
	modules := modulesOf(smallest)
	if findable(modules) {
		return modules, nil
	}
	if larger, err := qrcode.NewWithForcedVersion(code, smallest.VersionNumber+1, qrcode.Medium); err == nil {
		if again := modulesOf(larger); findable(again) {
			return again, nil
		}
	}
	return modules, nil
}

// modulesOf returns the modules without go-qrcode's border, because all formats here draw the same quiet zone.
func modulesOf(code *qrcode.QRCode) [][]bool {
	code.DisableBorder = true
	return code.Bitmap()
}

// findable reports whether a detector finds exactly these modules in the picture that writePNG draws.
func findable(modules [][]bool) bool {
	side := sideOf(modules)
	picture, err := gozxing.NewBitMatrix(side, side)
	if err != nil {
		return false
	}
	for y, row := range modules {
		for x, dark := range row {
			if !dark {
				continue
			}
			if err := picture.SetRegion((x+quietZone)*moduleSize, (y+quietZone)*moduleSize, moduleSize, moduleSize); err != nil {
				return false
			}
		}
	}
	found, err := detector.NewDetector(picture).Detect(nil)
	if err != nil || found.GetBits().GetWidth() != len(modules) {
		return false
	}
	for y, row := range modules {
		for x, dark := range row {
			if found.GetBits().Get(x, y) != dark {
				return false
			}
		}
	}
	return true
}

// sideOf is the side of the picture in pixels, quiet zone included.
func sideOf(modules [][]bool) int { return (len(modules) + 2*quietZone) * moduleSize }
