package events

import "sort"

// eventFootprint is about the memory of an event without its data and its key.
const eventFootprint = 512

// ring holds the newest events in memory. It is bounded by their number and by their bytes.
type ring struct {
	slots []Event
	first int // index of the oldest event
	count int
	bytes int
	most  int // bytes
}

func newRing(events, bytes int) ring { return ring{slots: make([]Event, events), most: bytes} }

// push adds an event and removes the oldest ones that have no room any more. It returns the position of the last one
// that it removed, 0 if there is none. An event that has no room at all is removed with the others.
func (r *ring) push(event *Event) (removed uint64) {
	for r.count == len(r.slots) || r.count > 0 && r.bytes+footprint(event) > r.most {
		oldest := &r.slots[r.first]
		removed = oldest.Pos
		r.bytes -= footprint(oldest)
		*oldest = Event{} // frees its data
		r.first = (r.first + 1) % len(r.slots)
		r.count--
	}
	if footprint(event) > r.most {
		return event.Pos
	}
	r.slots[(r.first+r.count)%len(r.slots)] = *event
	r.count++
	r.bytes += footprint(event)
	return removed
}

func footprint(e *Event) int { return eventFootprint + len(e.Data) + len(e.Key) }

// at returns an event, 0 is the oldest.
func (r *ring) at(i int) *Event { return &r.slots[(r.first+i)%len(r.slots)] }

// after returns the number of the first event after a position.
func (r *ring) after(pos uint64) int {
	return sort.Search(r.count, func(i int) bool { return r.at(i).Pos > pos })
}
