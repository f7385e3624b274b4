package container

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// readFLAC reads the first block of a FLAC file (RFC 9639, section 8.2).
func readFLAC(in *input) Facts {
	facts := Facts{Sound: true}
	if body, ok := in.whole(4, 4+18); ok && body[0]&0x7f == 0 {
		bits := binary.BigEndian.Uint64(body[4+10:]) // 20 bits of rate, 3 of channels, 5 of depth, 36 of samples
		facts.Duration = ticks(bits&(1<<36-1), bits>>44)
	}
	return facts
}

// readOgg reads the first page and the last ones of a file with one Vorbis stream (RFC 3533). Voice notes are read
// elsewhere, because they need the size of each packet, too.
func readOgg(in *input) Facts {
	const header, tail = 27, 128 << 10
	first := in.bytes(0, header+255+64)
	if len(first) < header || len(first) < header+int(first[26])+30 {
		return Facts{}
	}
	packet, serial := first[header+int(first[26]):], first[14:18]
	switch {
	case bytes.HasPrefix(packet, []byte("\x80theora")):
		return Facts{Film: true, Codec: "theora"}
	case bytes.HasPrefix(packet, []byte("OpusHead")):
		return Facts{Sound: true}
	case !bytes.HasPrefix(packet, []byte("\x01vorbis")):
		return Facts{}
	}
	rate := uint64(binary.LittleEndian.Uint32(packet[12:]))
	end := in.bytes(max(0, in.size-tail), tail)
	var last uint64
	for at := 0; ; at++ {
		found := bytes.Index(end[at:], []byte("OggS"))
		if found < 0 || len(end) < at+found+header {
			return Facts{Sound: true, Duration: ticks(last, rate)}
		}
		at += found
		if page := end[at:]; bytes.Equal(page[14:18], serial) && binary.LittleEndian.Uint64(page[6:]) != 1<<64-1 {
			last = max(last, binary.LittleEndian.Uint64(page[6:]))
		}
	}
}

// readAMR counts the frames of 20 ms of an AMR file (RFC 4867, section 5).
func readAMR(in *input) Facts {
	sizes, head := [16]int{13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1}, []byte("#!AMR\n")
	if bytes.HasPrefix(in.bytes(0, 9), []byte("#!AMR-WB\n")) {
		sizes, head = [16]int{18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1}, []byte("#!AMR-WB\n")
	}
	r := bufio.NewReader(io.NewSectionReader(in, int64(len(head)), in.size))
	var frames uint64
	for in.next() {
		first, err := r.ReadByte()
		size := sizes[first>>3&15]
		if err != nil || size == 0 {
			break
		}
		frames++
		if _, err = r.Discard(size - 1); err != nil {
			break
		}
	}
	return Facts{Sound: true, Duration: ticks(frames, 50)}
}
