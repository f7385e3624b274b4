package events

// SetBound sets the length of a feed's queue.
func (f *Feed) SetBound(n int) { f.bound = n }
