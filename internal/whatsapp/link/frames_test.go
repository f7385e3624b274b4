package link

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// wsFrame is one WebSocket frame.
func wsFrame(opcode byte, payload []byte, masked bool) []byte {
	var mask byte
	if masked {
		mask = 0x80
	}
	frame := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, mask|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, mask|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, mask|127), uint64(n))
	}
	if masked {
		frame = append(frame, 0x88, 0x88, 0x88, 0x88)
	}
	return append(frame, payload...)
}

func TestTheScannerFindsTheCloseFrameHoweverTheStreamIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		for range rapid.IntRange(0, 6).Draw(t, "frames") {
			// Payloads full of 0x88, which is a close frame anywhere but inside a payload.
			payload := make([]byte, rapid.SampledFrom([]int{0, 1, 125, 126, 300, 70_000}).Draw(t, "size"))
			for i := range payload {
				payload[i] = 0x88
			}
			opcode := rapid.SampledFrom([]byte{0x0, 0x1, 0x2, 0x9, 0xa}).Draw(t, "opcode")
			stream = append(stream, wsFrame(opcode, payload, rapid.Bool().Draw(t, "masked"))...)
		}
		want := len(stream)
		closes := rapid.Bool().Draw(t, "closes")
		if closes {
			stream = append(stream, wsFrame(opClose, []byte{3, 0xe8}, false)...)
		}
		var s frameScanner
		position := 0
		for position < len(stream) {
			n := min(len(stream)-position, rapid.SampledFrom([]int{1, 2, 3, 7, 4096, 1 << 20}).Draw(t, "cut"))
			found := s.scan(stream[position : position+n])
			position += found
			if found < n {
				break
			}
		}
		if position != want {
			t.Fatalf("close frame found at %d, want %d (closes %t)", position, want, closes)
		}
	})
}
