package events

// SetBound sets the length of a feed's queue.
func (f *Feed) SetBound(n int) { f.bound = n }

// Ring returns the number of events in memory and their size.
func (l *Log) Ring() (events, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.count, l.ring.bytes
}
