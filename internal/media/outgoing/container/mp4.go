package container

import (
	"bufio"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"time"
)

// The boxes of MP4, M4A, 3GP and QuickTime files (ISO/IEC 14496-12).

// isMP4 reports whether a file with a box of this kind at its beginning is an MP4. Old QuickTime files have no ftyp.
func isMP4(kind string) bool {
	return slices.Contains([]string{"ftyp", "moov", "mdat", "wide", "free", "skip", "styp"}, kind)
}

// box is one box without its header.
type box struct {
	kind     string
	from, to int64
}

// boxes calls do for each box of a part of the file.
func (in *input) boxes(from, to int64, do func(box)) {
	if in.depth++; in.depth > maxDepth {
		in.left = 0
	}
	defer func() { in.depth-- }()
	for from < to && in.next() {
		head, ok := in.whole(from, 8)
		if !ok {
			return
		}
		size, header := uint64(binary.BigEndian.Uint32(head)), int64(8)
		switch size {
		case 0: // to the end
			size = uint64(to - from)
		case 1:
			long, ok := in.whole(from+8, 8)
			if !ok {
				return
			}
			size, header = binary.BigEndian.Uint64(long), 16
		}
		if size < uint64(header) {
			return
		}
		end := to
		if size < uint64(to-from) {
			end = from + int64(size) //nolint:gosec // it is smaller than an int64
		}
		do(box{string(head[4:]), from + header, end})
		from = end
	}
}

// track is one track of an MP4.
type track struct {
	id, scale     uint32
	handler       string
	codec         string
	width, height int
	turned        bool
	duration      uint64
}

// movie is an MP4 while it is read.
type movie struct {
	in       *input
	scale    uint32
	duration uint64
	extends  uint64 // the duration of all fragments, in units of scale
	tracks   []track
	samples  uint32 // the usual duration of a sample in fragments
	last     uint64 // when the last fragment of the track lastID ends
	lastID   uint32
	facts    Facts
}

// maxTracks limits the tracks that are remembered.
const maxTracks = 32

func readMP4(in *input) Facts {
	m := &movie{in: in}
	in.boxes(0, in.size, func(b box) {
		switch b.kind {
		case "moov":
			in.boxes(b.from, b.to, m.inMovie)
		case "moof":
			in.boxes(b.from, b.to, m.inFragment)
		}
	})
	return m.conclude()
}

func (m *movie) inMovie(b box) {
	switch b.kind {
	case "mvhd":
		m.scale, m.duration = m.in.times(b)
	case "trak":
		if len(m.tracks) < maxTracks {
			var t track
			m.in.boxes(b.from, b.to, func(b box) { m.inTrack(&t, b) })
			m.tracks = append(m.tracks, t)
		}
	case "mvex":
		m.in.boxes(b.from, b.to, func(b box) {
			switch b.kind {
			case "mehd":
				m.extends = m.in.versioned(b, 0)
			case "trex":
				if body, ok := m.in.whole(b.from, 16); ok {
					m.samples = binary.BigEndian.Uint32(body[12:])
				}
			}
		})
	case "udta":
		m.in.boxes(b.from, b.to, m.inUserData)
	}
}

// times reads the scale and the duration of an mvhd or mdhd box.
func (in *input) times(b box) (scale uint32, duration uint64) {
	body := in.bytes(b.from, 32)
	switch {
	case len(body) >= 32 && body[0] == 1:
		scale, duration = binary.BigEndian.Uint32(body[20:]), binary.BigEndian.Uint64(body[24:])
	case len(body) >= 20:
		scale, duration = binary.BigEndian.Uint32(body[12:]), uint64(binary.BigEndian.Uint32(body[16:]))
		if duration == 1<<32-1 {
			duration = 0
		}
	}
	if duration == 1<<64-1 { // unknown
		duration = 0
	}
	return scale, duration
}

// versioned reads a number of a full box, of 8 bytes in version 1 and of 4 otherwise, after a number of bytes.
func (in *input) versioned(b box, skip int) uint64 {
	body := in.bytes(b.from, 4+skip+8)
	switch {
	case len(body) == 4+skip+8 && body[0] == 1:
		return binary.BigEndian.Uint64(body[4+skip:])
	case len(body) >= 4+skip+4 && body[0] == 0:
		return uint64(binary.BigEndian.Uint32(body[4+skip:]))
	default:
		return 0
	}
}

func (m *movie) inTrack(t *track, b box) {
	switch b.kind {
	case "tkhd":
		m.trackHeader(t, b)
	case "mdia", "minf", "stbl":
		m.in.boxes(b.from, b.to, func(b box) { m.inTrack(t, b) })
	case "mdhd":
		t.scale, t.duration = m.in.times(b)
	case "hdlr":
		if body, ok := m.in.whole(b.from, 12); ok && t.handler == "" {
			t.handler = string(body[8:12])
		}
	case "stsd":
		if body, ok := m.in.whole(b.from, 8+36); ok {
			t.codec = string(body[12:16])
			if t.width == 0 || t.height == 0 {
				t.width, t.height = int(binary.BigEndian.Uint16(body[40:])), int(binary.BigEndian.Uint16(body[42:]))
			}
		}
	}
}

// trackHeader reads the size of the picture, and whether its matrix turns it by a quarter.
func (m *movie) trackHeader(t *track, b box) {
	body := m.in.bytes(b.from, 96)
	if len(body) < 84 {
		return
	}
	id, matrix := 12, 40
	if body[0] == 1 {
		id, matrix = 20, 52
	}
	if len(body) < matrix+44 {
		return
	}
	t.id = binary.BigEndian.Uint32(body[id:])
	at := func(i int) uint32 { return binary.BigEndian.Uint32(body[matrix+4*i:]) }
	t.turned = at(0) == 0 && at(4) == 0 && at(1) != 0 && at(3) != 0
	t.width, t.height = int(at(9)>>16), int(at(10)>>16)
}

// inFragment reads when a fragment begins, and how long its samples play.
func (m *movie) inFragment(b box) {
	if b.kind != "traf" {
		return
	}
	usual, begin := m.samples, uint64(0)
	m.in.boxes(b.from, b.to, func(b box) {
		switch b.kind {
		case "tfhd":
			body := m.in.bytes(b.from, 28)
			if len(body) < 8 {
				return
			}
			m.lastID = binary.BigEndian.Uint32(body[4:])
			const offset, description, duration = 1, 2, 8 // which fields there are
			at := 8 + 8*int(body[3]&offset) + 2*int(body[3]&description)
			if body[3]&duration != 0 && len(body) >= at+4 {
				usual = binary.BigEndian.Uint32(body[at:])
			}
		case "tfdt":
			begin = m.in.versioned(b, 0)
		case "trun":
			begin += m.runOf(b, usual)
		}
	})
	m.last = begin
}

// runOf returns how long the samples of a run play.
func (m *movie) runOf(b box, usual uint32) (total uint64) {
	head, ok := m.in.whole(b.from, 8)
	if !ok {
		return 0
	}
	flags, count := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	const duration = 0x100
	if flags&duration == 0 {
		return uint64(count) * uint64(usual)
	}
	fields := 4 * bits.OnesCount32(flags&0xf00) // of one sample; the duration is the first
	at := b.from + 8 + 4*int64(bits.OnesCount32(flags&5))
	r := bufio.NewReader(io.NewSectionReader(m.in, at, max(0, b.to-at)))
	for range count {
		sample, err := r.Peek(fields)
		if err != nil || !m.in.next() {
			break
		}
		total += uint64(binary.BigEndian.Uint32(sample))
		_, _ = r.Discard(fields)
	}
	return total
}

// inUserData finds the cover that programs for music store: udta/meta/ilst/covr/data.
func (m *movie) inUserData(b box) {
	switch b.kind {
	case "meta":
		from := b.from
		if body, ok := m.in.whole(from, 4); ok && binary.BigEndian.Uint32(body) == 0 {
			from += 4 // in MP4 it has a version, in QuickTime not
		}
		m.in.boxes(from, b.to, m.inUserData)
	case "ilst", "covr":
		m.in.boxes(b.from, b.to, m.inUserData)
	case "data":
		const header = 8
		kind, ok := m.in.whole(b.from, header)
		if size := b.to - b.from - header; ok && m.facts.Cover == nil && size > 0 && size <= maxCover && (kind[3] == 13 || kind[3] == 14) { // a JPEG or a PNG
			m.facts.Cover = io.NewSectionReader(m.in, b.from+header, size)
		}
	}
}

// conclude makes the facts of the tracks.
func (m *movie) conclude() Facts {
	still := []string{"jpeg", "png ", "mjpa", "mjpb"} // pictures of chapters, not a film
	var fragments time.Duration
	for _, t := range m.tracks {
		m.facts.Duration = max(m.facts.Duration, ticks(t.duration, uint64(t.scale)))
		switch {
		case t.handler == "soun":
			m.facts.Sound = true
		case t.handler == "vide" && !m.facts.Film && !slices.Contains(still, t.codec):
			m.facts.Film, m.facts.Codec = true, t.codec
			m.facts.Width, m.facts.Height = t.width, t.height
			if t.turned {
				m.facts.Width, m.facts.Height = t.height, t.width
			}
		}
		if t.id == m.lastID {
			fragments = ticks(m.last, uint64(t.scale))
		}
	}
	if whole := ticks(m.duration, uint64(m.scale)); whole > 0 { // a track may be longer than what is shown of it
		m.facts.Duration = whole
	}
	m.facts.Duration = max(m.facts.Duration, fragments, ticks(m.extends, uint64(m.scale)))
	return m.facts
}
