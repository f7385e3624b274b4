package qr

import (
	"fmt"
	"strings"
)

// SVG draws the code as a vector picture. One path has all dark modules, row by row.
func SVG(code string) (string, error) {
	modules, err := symbolOf(code)
	if err != nil {
		return "", err
	}
	side := len(modules) + 2*quietZone
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" shape-rendering="crispEdges">`,
		side, side, side*moduleSize, side*moduleSize)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, side, side)
	for y, row := range modules {
		for x := 0; x < len(row); x++ {
			run := 0
			for x+run < len(row) && row[x+run] {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, run, run)
				x += run
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}

// Text draws the code for a terminal with half blocks: each character is two modules. It draws the light modules, which
// is right on a dark background. On a light background the code is inverted, and scanners can read that too.
func Text(code string) (string, error) {
	modules, err := symbolOf(code)
	if err != nil {
		return "", err
	}
	side := len(modules) + 2*quietZone
	light := func(x, y int) bool {
		x, y = x-quietZone, y-quietZone
		return x < 0 || y < 0 || y >= len(modules) || x >= len(modules[y]) || !modules[y][x]
	}
	var b strings.Builder
	for y := 0; y < side; y += 2 {
		for x := range side {
			// A symbol with an odd number of rows has no module below its last row.
			switch upper, lower := light(x, y), y+1 < side && light(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
