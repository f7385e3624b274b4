package qr

import (
	"fmt"
	"sync"
)

// Cache draws each code once, however many callers ask for it at the same time, and forgets the oldest codes.
type Cache struct {
	draw func(code string) (string, error)

	mu      sync.Mutex
	entries map[string]*entry
	order   []string // codes in a ring, the next to be forgotten at next
	next    int
}

type entry struct {
	once  sync.Once
	drawn string
	err   error
}

// NewCache makes one that keeps size drawings.
func NewCache(size int, draw func(code string) (string, error)) *Cache {
	return &Cache{draw: draw, entries: make(map[string]*entry), order: make([]string, size)}
}

// Get is the drawing of a code. A drawing that panics is an error.
func (c *Cache) Get(code string) (string, error) {
	if code == "" {
		return "", ErrNoCode
	}
	e := c.entry(code)
	e.once.Do(func() {
		defer func() {
			if reason := recover(); reason != nil {
				e.err = fmt.Errorf("draw a QR: %v", reason)
			}
		}()
		e.drawn, e.err = c.draw(code)
	})
	return e.drawn, e.err
}

func (c *Cache) entry(code string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[code]; e != nil {
		return e
	}
	if oldest := c.order[c.next]; oldest != "" {
		delete(c.entries, oldest)
	}
	e := &entry{}
	c.entries[code] = e
	c.order[c.next] = code
	c.next = (c.next + 1) % len(c.order)
	return e
}
