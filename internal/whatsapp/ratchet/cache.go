package ratchet

import (
	"container/list"
	"sync"
)

// cacheBudget bounds the cache of all sessions of a process, in bytes. A Signal session takes about 1.5 KB. The budget
// is meant for the chats that are active at a time; the others are read from the database again.
const cacheBudget = 64 << 20

// entryCost is the memory of an entry besides its key and its value, in bytes.
const entryCost = 200

// cache holds committed values of all runs of a process: the most recently used ones, within a budget. The entries of
// an idle run are evicted when others need the room. It also caches that the database has no value.
//
// It is safe for concurrent use. A caller of put must hold the lock of the key, so that a value older than the
// database's never gets in.
type cache struct {
	records *Format // keeps the parsed records of the cached sessions

	mu     sync.Mutex
	budget int
	size   int
	recent *list.List // of *cached, the most recently used in front
	runs   map[*Ratchet]map[cacheKey]*list.Element
}

type cacheKey struct {
	kind byte // one of the kinds below
	name string
}

const (
	cachedSession   = 's' // by Signal address
	cachedIdentity  = 'i' // by Signal address
	cachedSenderKey = 'k' // by group and Signal address
)

type cached struct {
	run   *Ratchet
	key   cacheKey
	value []byte // nil: the database has none
}

func (e *cached) cost() int { return len(e.key.name) + e.key.memory(e.value) + entryCost }

// memory returns the bytes that a value takes. A session's parsed record is kept beside its bytes.
func (k cacheKey) memory(value []byte) int {
	if k.kind == cachedSession {
		return 3 * len(value)
	}
	return len(value)
}

func newCache(budget int, records *Format) *cache {
	return &cache{budget: budget, records: records, recent: list.New(), runs: make(map[*Ratchet]map[cacheKey]*list.Element)}
}

// get returns the value and whether it is known. The caller must not change the value.
func (c *cache) get(run *Ratchet, kind byte, name string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.runs[run][cacheKey{kind, name}]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(element)
	return element.Value.(*cached).value, true
}

// put caches a value, which must not be changed afterwards. It does nothing for a run that was removed.
func (c *cache) put(run *Ratchet, kind byte, name string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, ok := c.runs[run]
	if !ok {
		return
	}
	key := cacheKey{kind, name}
	if element, ok := entries[key]; ok {
		entry := element.Value.(*cached)
		c.size += key.memory(value) - key.memory(entry.value)
		c.dropRecordOf(entry)
		entry.value = value
		c.recent.MoveToFront(element)
	} else {
		entry := &cached{run: run, key: key, value: value}
		c.size += entry.cost()
		entries[key] = c.recent.PushFront(entry)
	}
	if kind == cachedSession {
		c.records.keepRecord(value)
	}
	for c.size > c.budget && c.recent.Len() > 1 {
		c.removeLocked(c.recent.Back())
	}
}

// removeEntries removes the entries of a run that match.
func (c *cache) removeEntries(run *Ratchet, match func(kind byte, name string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, element := range c.runs[run] {
		if match(key.kind, key.name) {
			c.removeLocked(element)
		}
	}
}

// addRun allows entries for a run. removeRun removes them all.
func (c *cache) addRun(run *Ratchet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[run] = make(map[cacheKey]*list.Element)
}

func (c *cache) removeRun(run *Ratchet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, element := range c.runs[run] {
		c.removeLocked(element)
	}
	delete(c.runs, run)
}

func (c *cache) removeLocked(element *list.Element) {
	entry := element.Value.(*cached)
	c.recent.Remove(element)
	delete(c.runs[entry.run], entry.key)
	c.size -= entry.cost()
	c.dropRecordOf(entry)
}

func (c *cache) dropRecordOf(entry *cached) {
	if entry.key.kind == cachedSession {
		c.records.dropRecord(entry.value)
	}
}
