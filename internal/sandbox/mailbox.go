package sandbox

import "sync"

// mailbox handles items one at a time, in order, in a goroutine that exists only while there is something to
// handle: an idle connection or phone costs none.
type mailbox[T any] struct {
	// spawn runs a function in a goroutine that the server waits for, or refuses.
	spawn  func(func()) bool
	handle func(T)
	limit  int

	mu      sync.Mutex
	items   []T
	pending int
	running bool
	stopped bool
}

// put queues an item and says whether it was taken: not after stop, nor beyond the limit.
func (m *mailbox[T]) put(item T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped || m.pending >= m.limit {
		return false
	}
	if !m.running {
		if !m.spawn(m.run) {
			m.stopped = true
			return false
		}
		m.running = true
	}
	m.items = append(m.items, item)
	m.pending++
	return true
}

// stop refuses further items and forgets those not handled yet.
func (m *mailbox[T]) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	m.items, m.pending = nil, 0
}

func (m *mailbox[T]) run() {
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
			m.handle(item)
		}
	}
}

func (m *mailbox[T]) take() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return false
	}
	m.pending--
	return true
}
