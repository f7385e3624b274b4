package outgoing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// voice describes a voice note: Ogg with one Opus stream.
type voice struct {
	seconds  int
	waveform []byte
}

const (
	opusRate        = 48_000 // samples per second in page positions, for any sampling rate (RFC 7845, section 4)
	waveformSamples = 64
	maxPackets      = 1 << 20 // about six hours of speech; packets after that are not in the waveform
)

// oggPage is the header of a page (RFC 3533, section 6).
type oggPage struct {
	Magic    [4]byte
	Version  uint8
	Flags    uint8
	Position uint64
	Serial   uint32
	Number   uint32
	Checksum uint32
	Segments uint8
}

var errNoOgg = errors.New("no ogg page")

// readVoice reads an Ogg file. ok says that it has one Opus stream and nothing else. It decodes nothing: the number of
// bytes that the encoder needed for a moment shows roughly how loud it is.
func readVoice(r io.Reader) (known voice, ok bool) {
	page, body, err := nextPage(r)
	if err != nil || len(body) < 19 || !bytes.HasPrefix(body, []byte("OpusHead")) {
		return voice{}, false
	}
	serial, skip := page.Serial, uint64(binary.LittleEndian.Uint16(body[10:12]))
	var last uint64
	var sizes []int
	tags, packet := true, 0
	for {
		page, lacing, err := nextLacing(r)
		if err != nil {
			break // the end; phones play a truncated recording as far as it goes
		}
		if page.Serial != serial {
			return voice{}, false
		}
		const none = ^uint64(0) // no packet ends on this page
		if page.Position != none {
			last = max(last, page.Position)
		}
		total := int64(0)
		for _, n := range lacing {
			total += int64(n)
			packet += int(n)
			if n == 255 {
				continue
			}
			if !tags && len(sizes) < maxPackets {
				sizes = append(sizes, packet)
			}
			tags, packet = false, 0 // the first packet after OpusHead has the tags, not sound
		}
		if _, err = io.CopyN(io.Discard, r, total); err != nil {
			break
		}
	}
	if last > skip {
		known.seconds = int((last - skip + opusRate - 1) / opusRate)
	}
	known.waveform = waveformOf(sizes)
	return known, true
}

// nextLacing reads the header of a page and the sizes of its segments.
func nextLacing(r io.Reader) (page oggPage, lacing []byte, err error) {
	if err = binary.Read(r, binary.LittleEndian, &page); err != nil {
		return page, nil, err
	}
	if page.Magic != [4]byte{'O', 'g', 'g', 'S'} || page.Version != 0 {
		return page, nil, errNoOgg
	}
	lacing = make([]byte, page.Segments)
	_, err = io.ReadFull(r, lacing)
	return page, lacing, err
}

// nextPage reads a whole page.
func nextPage(r io.Reader) (page oggPage, body []byte, err error) {
	page, lacing, err := nextLacing(r)
	if err != nil {
		return page, nil, err
	}
	total := 0
	for _, n := range lacing {
		total += int(n)
	}
	body = make([]byte, total)
	_, err = io.ReadFull(r, body)
	return page, body, err
}

// waveformOf averages the sizes of the packets into the number of samples that a phone draws, scaled to a maximum of
// 100. It returns nil if there are no packets.
func waveformOf(sizes []int) []byte {
	if len(sizes) == 0 {
		return nil
	}
	var sums [waveformSamples]float64
	var most float64
	for i := range sums {
		from := i * len(sizes) / waveformSamples
		to := max(from+1, (i+1)*len(sizes)/waveformSamples)
		for _, n := range sizes[from:to] {
			sums[i] += float64(n)
		}
		sums[i] /= float64(to - from)
		most = max(most, sums[i])
	}
	wave := make([]byte, waveformSamples)
	for i, sum := range sums {
		if most > 0 {
			wave[i] = byte(100 * sum / most)
		}
	}
	return wave
}
