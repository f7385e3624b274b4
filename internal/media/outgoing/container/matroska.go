package container

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// The elements of WebM and Matroska files (RFC 8794, RFC 9559) that are read.
const (
	idHeader        = 0x1a45dfa3
	idSegment       = 0x18538067
	idInfo          = 0x1549a966
	idScale         = 0x2ad7b1
	idDuration      = 0x4489
	idTracks        = 0x1654ae6b
	idTrack         = 0xae
	idTrackType     = 0x83
	idCodec         = 0x86
	idVideo         = 0xe0
	idPixelWidth    = 0xb0
	idPixelHeight   = 0xba
	idDisplayWidth  = 0x54b0
	idDisplayHeight = 0x54ba
	idDisplayUnit   = 0x54b2
	idCluster       = 0x1f43b675
	idTime          = 0xe7
	idSimpleBlock   = 0xa3
	idGroup         = 0xa0
	idBlock         = 0xa1
)

// matroska is a file while it is read.
type matroska struct {
	in       *input
	scale    uint64 // nanoseconds of one unit of time
	duration float64
	last     int64 // the latest time of a block, in units
	cluster  int64 // the time of the cluster that is read
	track    matroskaTrack
	facts    Facts
}

type matroskaTrack struct {
	kind                   uint64
	codec                  string
	width, height          uint64
	shownWidth, shownHight uint64
	unit                   uint64 // of the shown size; 0: pixels
}

func readMatroska(in *input) Facts {
	m := &matroska{in: in, scale: 1_000_000}
	m.elements(0, in.size)
	units := m.duration
	if units <= 0 || math.IsNaN(units) {
		units = float64(m.last) // recorders that write as they go do not know it
	}
	if nanoseconds := units * float64(m.scale); nanoseconds > 0 && nanoseconds <= float64(maxDuration) {
		m.facts.Duration = time.Duration(nanoseconds)
	}
	return m.facts
}

// elements reads the elements of a part of the file. What they contain is read as if it followed them, because
// recorders do not know the size of a segment or a cluster beforehand.
func (m *matroska) elements(from, to int64) {
	for from < to && m.in.next() {
		id, size, header, ok := m.element(from)
		if !ok {
			return
		}
		from += header
		switch id {
		case idSegment, idInfo, idTracks, idTrack, idVideo, idCluster, idGroup:
			if id == idTrack {
				m.endTrack()
			}
			continue
		}
		m.value(id, from, size)
		if size > uint64(to-from) {
			break
		}
		from += int64(size) //nolint:gosec // it is smaller than an int64
	}
	m.endTrack()
}

// element reads the header of an element. The size is 2^64-1 if it is unknown.
func (m *matroska) element(at int64) (id, size uint64, header int64, ok bool) {
	head := m.in.bytes(at, 12)
	id, n := variable(head, false)
	if n == 0 || n > 4 {
		return 0, 0, 0, false
	}
	size, length := variable(head[n:], true)
	return id, size, int64(n + length), length > 0
}

// variable reads a number of variable length: the zeros before the first one say how many bytes follow. Of a size, that
// one is removed.
func variable(b []byte, isSize bool) (value uint64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	n = 1
	for mask := byte(0x80); b[0]&mask == 0; mask >>= 1 {
		n++
	}
	if len(b) < n {
		return 0, 0
	}
	for _, each := range b[:n] {
		value = value<<8 | uint64(each)
	}
	if !isSize {
		return value, n
	}
	marker := uint64(1) << (7 * n)
	if value == 2*marker-1 {
		return math.MaxUint64, n
	}
	return value &^ marker, n
}

func (m *matroska) value(id uint64, at int64, size uint64) {
	switch id {
	case idScale:
		m.scale = m.number(at, size)
	case idDuration:
		m.duration = m.float(at, size)
	case idTrackType:
		m.track.kind = m.number(at, size)
	case idCodec:
		m.track.codec = strings.TrimRight(string(m.in.bytes(at, int(min(size, 40)))), "\x00")
	case idPixelWidth:
		m.track.width = m.number(at, size)
	case idPixelHeight:
		m.track.height = m.number(at, size)
	case idDisplayWidth:
		m.track.shownWidth = m.number(at, size)
	case idDisplayHeight:
		m.track.shownHight = m.number(at, size)
	case idDisplayUnit:
		m.track.unit = m.number(at, size)
	case idTime:
		m.cluster = int64(min(m.number(at, size), math.MaxInt32))
	case idSimpleBlock, idBlock:
		head := m.in.bytes(at, 12)
		if _, n := variable(head, true); n > 0 && len(head) >= n+2 {
			m.last = max(m.last, m.cluster+int64(int16(binary.BigEndian.Uint16(head[n:])))) //nolint:gosec // it has a sign
		}
	}
}

func (m *matroska) number(at int64, size uint64) (n uint64) {
	if size > 8 {
		return 0
	}
	for _, each := range m.in.bytes(at, int(size)) {
		n = n<<8 | uint64(each)
	}
	return n
}

func (m *matroska) float(at int64, size uint64) float64 {
	switch bits := m.number(at, size); size {
	case 4:
		return float64(math.Float32frombits(uint32(bits))) //nolint:gosec // it has 4 bytes
	case 8:
		return math.Float64frombits(bits)
	default:
		return 0
	}
}

// endTrack adds the track that was read to the facts.
func (m *matroska) endTrack() {
	const film, sound = 1, 2
	switch t := &m.track; {
	case t.kind == sound:
		m.facts.Sound = true
	case t.kind == film && !m.facts.Film:
		m.facts.Film, m.facts.Codec = true, t.codec
		width, height := t.width, t.height
		if t.unit == 0 && t.shownWidth > 0 && t.shownHight > 0 {
			width, height = t.shownWidth, t.shownHight
		}
		m.facts.Width, m.facts.Height = int(min(width, maxSide+1)), int(min(height, maxSide+1))
	}
	m.track = matroskaTrack{}
}
