package link

import "encoding/binary"

// opClose is the opcode of a WebSocket close frame (RFC 6455, section 5.5.1).
const opClose = 0x8

// frameScanner finds the boundaries of WebSocket frames in one direction of a connection. It does not keep their
// content.
type frameScanner struct {
	head [14]byte // the header of the current frame, as far as it has arrived
	seen int      // how many bytes of head have arrived
	left uint64   // payload bytes of the current frame that are still missing
	data int      // complete frames so far, control frames excluded
}

// scan reads b up to the first close frame and returns the number of bytes before it: len(b) if b has no close frame.
// It does not read the close frame.
func (s *frameScanner) scan(b []byte) int {
	for i := 0; i < len(b); {
		if s.left > 0 {
			skip := min(s.left, uint64(len(b)-i))
			s.left -= skip
			i += int(skip)
			s.count()
			continue
		}
		if s.seen == 0 && b[i]&0x0f == opClose {
			return i
		}
		s.head[s.seen] = b[i]
		s.seen++
		i++
		if length, ok := s.payload(); ok {
			s.left, s.seen = length, 0
			s.count()
		}
	}
	return len(b)
}

func (s *frameScanner) count() {
	const control = 0x08
	if s.left == 0 && s.head[0]&control == 0 {
		s.data++
	}
}

// payload returns the payload's length, and false while the header is incomplete.
func (s *frameScanner) payload() (uint64, bool) {
	if s.seen < 2 {
		return 0, false
	}
	size, masked := s.head[1]&0x7f, s.head[1]&0x80 != 0
	extended := 0
	switch size {
	case 126:
		extended = 2
	case 127:
		extended = 8
	}
	total := 2 + extended
	if masked {
		total += 4
	}
	if s.seen < total {
		return 0, false
	}
	switch extended {
	case 2:
		return uint64(binary.BigEndian.Uint16(s.head[2:])), true
	case 8:
		return binary.BigEndian.Uint64(s.head[2:]), true
	default:
		return uint64(size), true
	}
}
