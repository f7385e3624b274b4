package tasks

import "sync"

// Mailbox handles items one at a time and in order. Its goroutine exists only while there are items, so an idle
// connection or phone has none.
type Mailbox[T any] struct {
	// Spawn runs a function in a goroutine that the server waits for. It returns false if the server is stopping.
	Spawn  func(func()) bool
	Handle func(T)
	Limit  int

	mu      sync.Mutex
	items   []T
	pending int
	running bool
	stopped bool
}

// Put queues an item. It returns false after Stop, or if Limit items are pending.
func (m *Mailbox[T]) Put(item T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped || m.pending >= m.Limit {
		return false
	}
	if !m.running {
		if !m.Spawn(m.run) {
			m.stopped = true
			return false
		}
		m.running = true
	}
	m.items = append(m.items, item)
	m.pending++
	return true
}

// Stop refuses further items and drops those that are not handled yet.
func (m *Mailbox[T]) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	m.items, m.pending = nil, 0
}

func (m *Mailbox[T]) run() {
	for {
		m.mu.Lock()
		batch := m.items
		m.items = nil
		if len(batch) == 0 {
			m.running = false
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		for _, item := range batch {
			if !m.take() {
				break
			}
			m.Handle(item)
		}
	}
}

func (m *Mailbox[T]) take() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return false
	}
	m.pending--
	return true
}
