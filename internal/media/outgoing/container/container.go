// Package container reads what files of sound and film say about themselves: how long they play, how large the picture
// is, and which kinds of tracks they have. It decodes neither sound nor pictures. It owns the formats of containers, and
// may know nothing of messages. A file may be anything, also one that was made to harm: every reader has a limit on what
// it reads, and no number of the file decides about memory.
package container

import (
	"encoding/binary"
	"io"
	"time"
)

const (
	// maxParts limits the boxes, elements, chunks and frames that are read of a file. It is more than 100 MB have.
	maxParts = 1 << 20
	// maxDuration limits what is believed. Longer durations are taken for unknown.
	maxDuration = 7 * 24 * time.Hour
	maxDepth    = 16
	maxSide     = 1<<16 - 1 // pixels
	maxCover    = 16 << 20  // bytes
)

// Facts is what a container says. Zero values are unknown.
type Facts struct {
	Film, Sound   bool   // it has such a track
	Codec         string // of the film, in the container's own name: avc1 in an MP4, V_VP9 in a WebM
	Width, Height int    // of the film as it is shown, upright
	Duration      time.Duration
	Cover         *io.SectionReader // a picture of the whole, such as an album's
}

// Seconds returns the duration in whole seconds, at least 1; 0 if it is unknown.
func (f Facts) Seconds() int {
	if f.Duration <= 0 {
		return 0
	}
	return max(1, int(f.Duration.Round(time.Second)/time.Second))
}

// Read reads a file of a known size. The facts of a file of an unknown format are zero.
func Read(r io.ReaderAt, size int64) Facts {
	in := &input{ReaderAt: r, size: size, left: maxParts}
	head := in.bytes(0, 16)
	var facts Facts
	switch {
	case len(head) < 12:
	case isMP4(string(head[4:8])):
		facts = readMP4(in)
	case binary.BigEndian.Uint32(head) == idHeader:
		facts = readMatroska(in)
	case string(head[:4]) == "RIFF" && string(head[8:12]) == "WAVE":
		facts = readWAV(in)
	case string(head[:4]) == "RIFF" && string(head[8:12]) == "AVI ":
		facts = readAVI(in)
	case string(head[:4]) == "OggS":
		facts = readOgg(in)
	case string(head[:4]) == "fLaC":
		facts = readFLAC(in)
	case string(head[:5]) == "#!AMR":
		facts = readAMR(in)
	default:
		facts = readFrames(in)
	}
	if facts.Duration < 0 || facts.Duration > maxDuration {
		facts.Duration = 0
	}
	if min(facts.Width, facts.Height) <= 0 || max(facts.Width, facts.Height) > maxSide {
		facts.Width, facts.Height = 0, 0
	}
	return facts
}

// input is a file that is being read.
type input struct {
	io.ReaderAt
	size  int64
	left  int // parts that may still be read
	depth int // how deep the part that is being read is nested
}

// next reports whether one more part may be read.
func (in *input) next() bool {
	in.left--
	return in.left >= 0
}

// bytes returns n bytes at a position, or fewer at the end of the file. n is a small constant of the format, never a
// number of the file.
func (in *input) bytes(at int64, n int) []byte {
	if at < 0 || at >= in.size {
		return nil
	}
	out := make([]byte, min(int64(n), in.size-at))
	read, err := in.ReadAt(out, at)
	if err != nil && read < len(out) {
		return out[:read]
	}
	return out
}

// whole returns n bytes at a position, or false if the file has fewer.
func (in *input) whole(at int64, n int) ([]byte, bool) {
	out := in.bytes(at, n)
	return out, len(out) == n
}

// ticks converts a number of units to a duration. Nonsense becomes 0.
func ticks(n, perSecond uint64) time.Duration {
	if perSecond == 0 {
		return 0
	}
	seconds := float64(n) / float64(perSecond)
	if seconds > maxDuration.Seconds() {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
