package httpapi

import (
	"errors"
	"fmt"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/detector"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"
)

// masks is how many ways there are to shuffle a symbol's modules (ISO/IEC 18004, 7.8).
const masks = 8

// symbolOf gives the code's modules, dark ones true, without the quiet zone.
//
// The standard lets the encoder weigh all eight masks against each other, which is three quarters of the time that a
// symbol takes and matters for texts with patterns of their own. A code of WhatsApp's is random, and under every mask it
// looks alike. What does matter is that in about 1 of 40 the data happens to contain something so like the three corner
// marks that decoders of the ZXing family look for the symbol in the wrong place, even in a flawless picture. So the first
// mask is taken under which a detector finds the symbol where it is.
func symbolOf(code string) ([][]bool, error) {
	var first [][]bool
	for mask := range masks {
		modules, err := masked(code, mask)
		if err != nil {
			return nil, err
		}
		if findable(modules) {
			return modules, nil
		}
		if mask == 0 {
			first = modules
		}
	}
	return first, nil
}

// masked encodes the code at error level M under one mask.
func masked(code string, mask int) ([][]bool, error) {
	for i := range len(code) {
		if code[i] >= 0x80 {
			return nil, errors.New("draw a QR: the code is not ASCII")
		}
	}
	symbol, err := encoder.Encoder_encode(code, decoder.ErrorCorrectionLevel_M, map[gozxing.EncodeHintType]any{
		gozxing.EncodeHintType_QR_MASK_PATTERN: mask,
	})
	if err != nil {
		return nil, fmt.Errorf("draw a QR: %w", err)
	}
	matrix := symbol.GetMatrix()
	modules := make([][]bool, matrix.GetHeight())
	for y := range modules {
		modules[y] = make([]bool, matrix.GetWidth())
		for x := range modules[y] {
			modules[y][x] = matrix.Get(x, y) == 1
		}
	}
	return modules, nil
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
