package container

import (
	"bufio"
	"encoding/binary"
	"io"
)

// frame is the header of a frame of MPEG sound: MP3 (ISO/IEC 11172-3) or AAC in ADTS (ISO/IEC 13818-7).
type frame struct {
	size    int    // bytes
	samples uint64 // of each channel
	rate    uint64 // samples a second
	side    int    // where a table of contents begins in the first frame of an MP3
}

// headerOf returns the frame that begins with these bytes, or false if none does.
func headerOf(b []byte) (frame, bool) {
	switch {
	case len(b) < 7 || b[0] != 0xff || b[1]&0xe0 != 0xe0:
		return frame{}, false
	case b[1]&0xf6 == 0xf0:
		return adts(b)
	default:
		return mpeg(b)
	}
}

func adts(b []byte) (frame, bool) {
	rates := [16]uint64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	f := frame{rate: rates[b[2]>>2&15], samples: 1024 * uint64(b[6]&3+1)}
	f.size = int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
	return f, f.rate > 0 && f.size >= 7
}

func mpeg(b []byte) (frame, bool) {
	version, layer := b[1]>>3&3, 4-b[1]>>1&3 // version 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
	if version == 1 || layer == 4 || b[2]>>4 == 15 || b[2]>>2&3 == 3 {
		return frame{}, false
	}
	rates := [3]uint64{44100, 48000, 32000}
	f := frame{rate: rates[b[2]>>2&3]}
	kilobits := bitrate(version, layer, b[2]>>4)
	if kilobits == 0 { // a free format says its size nowhere
		return frame{}, false
	}
	switch version {
	case 2:
		f.rate /= 2
	case 0:
		f.rate /= 4
	}
	padding := int(b[2] >> 1 & 1)
	switch {
	case layer == 1:
		f.samples, f.size = 384, (12*kilobits*1000/int(f.rate)+padding)*4
	case layer == 3 && version != 3:
		f.samples, f.size = 576, 72*kilobits*1000/int(f.rate)+padding
	default:
		f.samples, f.size = 1152, 144*kilobits*1000/int(f.rate)+padding
	}
	mono := b[3]>>6 == 3
	switch {
	case version == 3 && !mono:
		f.side = 4 + 32
	case version != 3 && mono:
		f.side = 4 + 9
	default:
		f.side = 4 + 17
	}
	return f, f.size >= 4
}

// bitrate returns kilobits a second, 0 for a free format.
func bitrate(version, layer, index byte) int {
	tables := [5][15]int{
		{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}, // MPEG 1, layer 1
		{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},    // MPEG 1, layer 2
		{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},     // MPEG 1, layer 3
		{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},    // MPEG 2, layer 1
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},         // MPEG 2, layers 2 and 3
	}
	row := int(layer) - 1
	if version != 3 {
		row = min(3+row, 4)
	}
	return tables[row][index]
}

// readFrames counts the frames of an MP3 or of AAC. An MP3 whose first frame has a table of contents says how many there
// are.
func readFrames(in *input) Facts {
	from := int64(0)
	if head, ok := in.whole(0, 10); ok && string(head[:3]) == "ID3" {
		from = 10 + int64(head[6]&127)<<21 + int64(head[7]&127)<<14 + int64(head[8]&127)<<7 + int64(head[9]&127)
	}
	r := bufio.NewReader(io.NewSectionReader(in, from, max(0, in.size-from)))
	var first frame
	var samples uint64
	for skipped := 0; in.next(); {
		head, _ := r.Peek(7)
		f, ok := headerOf(head)
		switch {
		case len(head) == 0:
			return conclude(first, samples)
		case !ok || first.rate > 0 && f.rate != first.rate: // no frame begins here
			const most = 1 << 20
			if skipped++; skipped > most {
				return conclude(first, samples)
			}
			in.left++ // a byte is no part
			_, _ = r.Discard(1)
			continue
		case first.rate == 0:
			first = f
			start, _ := r.Peek(f.side + 120)
			if all, ok := contents(start, f.side); ok {
				return conclude(first, all*f.samples)
			}
		}
		samples += f.samples
		if _, err := r.Discard(f.size); err != nil {
			break
		}
	}
	return conclude(first, samples)
}

func conclude(first frame, samples uint64) Facts {
	return Facts{Sound: samples > 0, Duration: ticks(samples, first.rate)}
}

// contents returns how many frames the table of contents of the first frame promises.
func contents(start []byte, side int) (frames uint64, ok bool) {
	const vbri = 4 + 32
	switch {
	case side > 0 && len(start) >= side+12 && (string(start[side:side+4]) == "Xing" || string(start[side:side+4]) == "Info"):
		has, n := binary.BigEndian.Uint32(start[side+4:]), binary.BigEndian.Uint32(start[side+8:])
		return uint64(n), has&1 != 0 && n > 0
	case side > 0 && len(start) >= vbri+18 && string(start[vbri:vbri+4]) == "VBRI":
		n := binary.BigEndian.Uint32(start[vbri+14:])
		return uint64(n), n > 0
	default:
		return 0, false
	}
}
