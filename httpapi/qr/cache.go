package qr

import (
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache draws each code once, however many callers ask for it at the same time, and forgets the codes that it has
// drawn first: an older code is worth nothing, however often it was asked for.
type Cache struct {
	draw    func(code string) (string, error)
	entries *lru.Cache[string, *entry]
}

type entry struct {
	once  sync.Once
	drawn string
	err   error
}

// NewCache makes one that keeps size drawings, at least one.
func NewCache(size int, draw func(code string) (string, error)) *Cache {
	entries, _ := lru.New[string, *entry](max(1, size)) // it only refuses sizes below 1
	return &Cache{draw, entries}
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
	if e, found := c.entries.Peek(code); found {
		return e
	}
	e := &entry{}
	if other, found, _ := c.entries.PeekOrAdd(code, e); found {
		return other // somebody else was faster
	}
	return e
}
