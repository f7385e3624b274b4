package container

import "encoding/binary"

// chunks calls do for each chunk of a part of a RIFF file: WAV and AVI.
func (in *input) chunks(from int64, do func(kind string, at, size int64)) {
	for in.next() {
		head, ok := in.whole(from, 8)
		if !ok {
			return
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		do(string(head[:4]), from+8, size)
		from += 8 + size + size&1
	}
}

func readWAV(in *input) Facts {
	facts := Facts{Sound: true}
	var rate uint64 // bytes a second
	in.chunks(12, func(kind string, at, size int64) {
		switch kind {
		case "fmt ":
			if body, ok := in.whole(at, 12); ok {
				rate = uint64(binary.LittleEndian.Uint32(body[8:]))
			}
		case "data": // a recorder that writes as it goes does not know the size
			facts.Duration = max(facts.Duration, ticks(uint64(max(0, min(size, in.size-at))), rate))
			if size == 0 {
				facts.Duration = ticks(uint64(in.size-at), rate)
			}
		}
	})
	return facts
}

func readAVI(in *input) Facts {
	facts := Facts{Film: true}
	in.chunks(12, func(kind string, at, _ int64) {
		if list, ok := in.whole(at, 4); kind != "LIST" || !ok || string(list) != "hdrl" {
			return
		}
		if header, ok := in.whole(at+4, 8+40); ok && string(header[:4]) == "avih" {
			field := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(header[8+4*i:])) }
			facts.Duration = ticks(field(0)*field(4), 1_000_000) // microseconds of a frame, frames
			facts.Width, facts.Height = int(field(8)), int(field(9))
		}
	})
	return facts
}
