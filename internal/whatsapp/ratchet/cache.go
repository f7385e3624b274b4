package ratchet

import (
	"container/list"
	"sync"
)

// cacheBudget bounds what the sessions of a process keep of their ratchets in memory, in bytes. A Signal session takes
// about 1.5 KB, so this is room for the chats that are alive at a time; the others are read from the database again.
const cacheBudget = 64 << 20

// entryCost is what an entry takes beside its key and its value.
const entryCost = 200

// cache holds what the database holds, for all runs of a process: the entries that were used last, within a budget. An
// idle run's entries go when others need the room. It knows "none", too.
//
// It is safe for concurrent use, but who puts an entry must hold the lock of its key, so that nothing older than the
// database's value gets in.
type cache struct {
	records *Format // remembers the records of the sessions that are held

	mu     sync.Mutex
	budget int
	size   int
	recent *list.List // of *cached, the one used last in front
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

func (e *cached) cost() int { return len(e.key.name) + e.key.weigh(e.value) + entryCost }

// weigh is what a value takes: a session's record is remembered beside its bytes.
func (k cacheKey) weigh(value []byte) int {
	if k.kind == cachedSession {
		return 3 * len(value)
	}
	return len(value)
}

func newCache(budget int, records *Format) *cache {
	return &cache{budget: budget, records: records, recent: list.New(), runs: make(map[*Ratchet]map[cacheKey]*list.Element)}
}

// get gives the value, which must not be changed, and whether it is known.
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

// put keeps a value, which must not be changed afterwards. A run that was dropped keeps none.
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
		c.size += key.weigh(value) - key.weigh(entry.value)
		c.forgetRecord(entry)
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

// removeEntries drops the entries of a run that match.
func (c *cache) removeEntries(run *Ratchet, match func(kind byte, name string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, element := range c.runs[run] {
		if match(key.kind, key.name) {
			c.removeLocked(element)
		}
	}
}

// addRun lets a run have entries, removeRun takes them all away again.
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
	c.forgetRecord(entry)
}

func (c *cache) forgetRecord(entry *cached) {
	if entry.key.kind == cachedSession {
		c.records.dropRecord(entry.value)
	}
}
