package httpapi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"sync"
)

const (
	// moduleSize is the side of a QR module in pixels: a whole number, so that edges are sharp, and enough for
	// cameras and decoders to read a code of WhatsApp's length the first time.
	moduleSize = 6
	// quietZone is the white margin that the QR standard asks for, in modules.
	quietZone = 4
	// imageCacheSize bounds the cache: one picture per session that pairs at the same time, about 4 KB each.
	imageCacheSize = 4096
	// drawnCacheSize bounds those of the formats that people ask for by hand.
	drawnCacheSize = 256
)

// imageCache draws each code once, however many callers ask for it at the same time, and forgets the oldest codes.
type imageCache struct {
	draw func(code string) (string, error)

	mu      sync.Mutex
	entries map[string]*imageEntry
	order   []string // codes in a ring, the next to be forgotten at next
	next    int
}

type imageEntry struct {
	once    sync.Once
	dataURL string
	err     error
}

func newImageCache(size int, draw func(string) (string, error)) *imageCache {
	return &imageCache{draw: draw, entries: make(map[string]*imageEntry), order: make([]string, size)}
}

// dataURL is the code's PNG as a data: URL.
func (ic *imageCache) dataURL(code string) (string, error) {
	entry := ic.entry(code)
	entry.once.Do(func() {
		defer func() {
			if reason := recover(); reason != nil {
				entry.err = fmt.Errorf("draw a QR: %v", reason)
			}
		}()
		entry.dataURL, entry.err = ic.draw(code)
	})
	return entry.dataURL, entry.err
}

func (ic *imageCache) entry(code string) *imageEntry {
	ic.mu.Lock()
	defer ic.mu.Unlock()
	if entry := ic.entries[code]; entry != nil {
		return entry
	}
	if oldest := ic.order[ic.next]; oldest != "" {
		delete(ic.entries, oldest)
	}
	entry := &imageEntry{}
	ic.entries[code] = entry
	ic.order[ic.next] = code
	ic.next = (ic.next + 1) % len(ic.order)
	return entry
}

func drawDataURL(code string) (string, error) {
	var b bytes.Buffer
	b.Grow(4 << 10)
	if err := drawPNG(&b, code); err != nil {
		return "", err
	}
	const prefix = "data:image/png;base64,"
	url := make([]byte, 0, len(prefix)+base64.StdEncoding.EncodedLen(b.Len()))
	url = append(url, prefix...)
	return string(base64.StdEncoding.AppendEncode(url, b.Bytes())), nil
}
