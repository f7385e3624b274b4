package qr

import (
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache draws each code once, even if many callers ask for it at the same time. When it is full, it removes the code
// that was drawn first. Reads do not count, because old codes have expired.
type Cache struct {
	draw    func(code string) (string, error)
	entries *lru.Cache[string, *entry]
}

type entry struct {
	once  sync.Once
	drawn string
	err   error
}

// NewCache makes a cache that keeps size drawings, at least one.
func NewCache(size int, draw func(code string) (string, error)) *Cache {
	entries, _ := lru.New[string, *entry](max(1, size)) // the only error is a size below 1
	return &Cache{draw, entries}
}

// Get returns the drawing of a code. If drawing panics, it returns an error.
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
	if e, found := c.entries.Peek(code); found {
		return e
	}
	e := &entry{}
	if other, found, _ := c.entries.PeekOrAdd(code, e); found {
		return other // another caller was faster
	}
	return e
}
