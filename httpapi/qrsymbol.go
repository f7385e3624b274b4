package httpapi

import (
	"fmt"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/detector"
	"github.com/skip2/go-qrcode"
)

// attempts is how many sizes of the symbol are tried until one is easy to find.
const attempts = 4

// symbolOf gives the code's modules, dark ones true, without the quiet zone.
//
// In about 1 of 40 codes of WhatsApp's length the data happens to contain something so like the three corner marks that
// decoders of the ZXing family look for the symbol in the wrong place, even in a flawless picture. Such a symbol is
// drawn one version larger, which shuffles the data. The check costs half a millisecond.
func symbolOf(code string) ([][]bool, error) {
	symbol, err := qrcode.New(code, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("draw a QR: %w", err)
	}
	first := modulesOf(symbol)
	if findable(first) {
		return first, nil
	}
	for version := symbol.VersionNumber + 1; version < symbol.VersionNumber+attempts; version++ {
		larger, err := qrcode.NewWithForcedVersion(code, version, qrcode.Medium)
		if err != nil {
			break // there is no larger version
		}
		if modules := modulesOf(larger); findable(modules) {
			return modules, nil
		}
	}
	return first, nil
}

func modulesOf(symbol *qrcode.QRCode) [][]bool {
	symbol.DisableBorder = true // drawn by us, so that its width does not depend on the library
	return symbol.Bitmap()
}

// findable reports whether a detector, looking at the picture that drawPNG will make, finds exactly these modules.
func findable(modules [][]bool) bool {
	side := (len(modules) + 2*quietZone) * moduleSize
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
