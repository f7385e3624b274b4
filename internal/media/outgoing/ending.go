package outgoing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// missingEnd returns the bytes that a picture may lack behind its last pixel, and on which the decoder insists. Many
// writers leave them out, or part of them, and phones show the picture. It reads from the begin and leaves the reader
// anywhere.
func missingEnd(r io.ReadSeeker, format string) ([]byte, error) {
	switch format {
	case "jpeg":
		return []byte{0xff, 0xd9}, nil
	case "gif":
		return []byte{0, ';'}, nil // an empty block ends the pixels, and the trailer the file
	case "png":
		return missingEndOfPNG(r)
	default:
		return nil, nil
	}
}

// mostChunks is how many chunks of a PNG are walked through. One of 500 MB has about as many.
const mostChunks = 1 << 16

// missingEndOfPNG walks through the chunks of a PNG. It returns what is missing of the checksum of the last pixels, and of
// the chunk IEND. The decoder finds out whether the pixels are all there.
func missingEndOfPNG(r io.ReadSeeker) ([]byte, error) {
	const signature, around, checksum = 8, 8, 4 // bytes: of the file; a chunk's length and name; what follows it
	iend := []byte("\x00\x00\x00\x00IEND\xaeB`\x82")
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	at := int64(signature)
	for range mostChunks {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			return nil, err
		}
		last := make([]byte, len(iend))
		n, err := io.ReadFull(r, last)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		if rest, is := bytes.CutPrefix(iend, last[:n]); is {
			return rest, nil
		}
		if n < around {
			return nil, nil
		}
		end := at + around + int64(binary.BigEndian.Uint32(last)) // of its data
		if missing := end + checksum - size; missing <= 0 {
			at = end + checksum
		} else if missing > checksum {
			return nil, nil
		} else {
			sum, err := checksumOf(r, at+4, end)
			return append(sum[checksum-missing:], iend...), err
		}
	}
	return nil, nil
}

// checksumOf returns the checksum of a chunk's name and data.
func checksumOf(r io.ReadSeeker, from, to int64) ([]byte, error) {
	sum := crc32.NewIEEE()
	if _, err := r.Seek(from, io.SeekStart); err != nil {
		return make([]byte, sum.Size()), err
	}
	_, err := io.CopyN(sum, r, to-from)
	return sum.Sum(nil), err
}
