package events

// SetBound makes a feed's queue small.
func (f *Feed) SetBound(n int) { f.bound = n }
