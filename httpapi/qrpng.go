package httpapi

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// drawPNG writes the code at error level M, black on white, one bit a pixel.
//
// The picture is written row by row instead of through an image.Image: all rows of a module are the same, which the PNG
// format can say in a few bytes, and which takes a tenth of the time of looking at each of 200,000 pixels.
func drawPNG(b *bytes.Buffer, code string) error {
	modules, err := symbolOf(code)
	if err != nil {
		return err
	}
	side := (len(modules) + 2*quietZone) * moduleSize
	pixels, err := compressed(modules, side)
	if err != nil {
		return fmt.Errorf("encode a QR as PNG: %w", err)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(side))
	header = binary.BigEndian.AppendUint32(header, uint32(side))
	// Bit depth 1, colour type 0 (grey), the only compression and filter methods there are, not interlaced.
	header = append(header, 1, 0, 0, 0, 0)
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk(b, "IHDR", header)
	chunk(b, "IDAT", pixels)
	chunk(b, "IEND", nil)
	return nil
}

// chunk writes a PNG chunk: length, name, content, and the checksum of the last two.
func chunk(b *bytes.Buffer, name string, content []byte) {
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], uint32(len(content)))
	b.Write(word[:])
	begin := b.Len()
	b.WriteString(name)
	b.Write(content)
	binary.BigEndian.PutUint32(word[:], crc32.ChecksumIEEE(b.Bytes()[begin:]))
	b.Write(word[:])
}

// The two row filters in use: a row as it is, and a row as the difference to the one above it.
const (
	filterNone = 0
	filterUp   = 2
)

// compressors keeps the memory of the compression, which is most of what one of them costs.
var compressors sync.Pool

// compressed gives the rows of the picture as PNG wants them: each behind its filter, all of them through zlib.
func compressed(modules [][]bool, side int) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(4 << 10)
	z, ok := compressors.Get().(*zlib.Writer)
	if ok {
		z.Reset(&out)
	} else {
		var err error
		if z, err = zlib.NewWriterLevel(&out, zlib.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer compressors.Put(z)

	row := make([]byte, 1+(side+7)/8)
	same := make([]byte, len(row)) // no difference to the row above
	same[0] = filterUp
	line := func(dark []bool) error {
		row[0] = filterNone
		paint(row[1:], dark)
		if _, err := z.Write(row); err != nil {
			return err
		}
		return repeat(z, same, moduleSize-1)
	}
	margin := func() error {
		if err := line(nil); err != nil {
			return err
		}
		return repeat(z, same, (quietZone-1)*moduleSize)
	}
	if err := margin(); err != nil {
		return nil, err
	}
	for _, dark := range modules {
		if err := line(dark); err != nil {
			return nil, err
		}
	}
	if err := margin(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// paint sets the pixels of one row: 1 is white.
func paint(row []byte, dark []bool) {
	for i := range row {
		row[i] = 0xff
	}
	for x, d := range dark {
		if !d {
			continue
		}
		left := (x + quietZone) * moduleSize
		for pixel := left; pixel < left+moduleSize; pixel++ {
			row[pixel/8] &^= 0x80 >> (pixel % 8)
		}
	}
}

func repeat(w io.Writer, row []byte, times int) error {
	for range times {
		if _, err := w.Write(row); err != nil {
			return err
		}
	}
	return nil
}
