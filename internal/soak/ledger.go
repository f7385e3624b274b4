package soak

import (
	"cmp"
	"slices"
	"sync"
)

// line is one message in a ledger. Texts are unique, so that a message that was sent twice under two ids shows.
type line struct {
	chat    string
	n       int            // in the order in which it was asked for
	id      string         // the WhatsApp message id that was promised
	arrival int            // in the order in which they arrived; 0: it did not
	ids     map[string]int // how often it arrived under which id
}

// ledger compares what was asked for with what arrived.
type ledger struct {
	mu      sync.Mutex
	lines   map[string]*line // by text
	asked   int
	arrived int
	strange []string // texts that nobody asked for
}

func (l *ledger) ask(chat, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = make(map[string]*line)
	}
	l.asked++
	l.lines[text] = &line{chat: chat, n: l.asked, ids: make(map[string]int)}
}

func (l *ledger) accepted(text, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[text].id = id
}

// arrive enters a message. copies is how often it has arrived under this id so far.
func (l *ledger) arrive(chat, text, id string, copies int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.lines[text]
	if !ok || found.chat != chat {
		if !slices.Contains(l.strange, text) {
			l.strange = append(l.strange, text)
		}
		return
	}
	if found.arrival == 0 {
		l.arrived++
		found.arrival = l.arrived
	}
	found.ids[id] = max(copies, found.ids[id])
}

func (l *ledger) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked - l.arrived
}

func (l *ledger) counts() (asked, arrived int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked, l.arrived
}

// verdict is what a ledger says in the end.
type verdict struct {
	Asked      int `json:"asked"`
	Arrived    int `json:"arrived"`
	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`    // seen more than once by whoever reads it
	OutOfOrder int `json:"out_of_order"`  // arrived after one of its chat that was asked for later
	WrongID    int `json:"wrong_id"`      // arrived under another id than was promised
	Strange    int `json:"not_asked_for"` // arrived and nobody had asked for it
	Repeated   int `json:"repeated"`      // copies with a known id, which the reader drops

	examples []string
}

func (v verdict) good() bool {
	return v.Lost == 0 && v.Duplicated == 0 && v.OutOfOrder == 0 && v.WrongID == 0 && v.Strange == 0
}

// judge compares.
func (l *ledger) judge() verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := verdict{Asked: l.asked, Arrived: l.arrived, Strange: len(l.strange)}
	note := func(what, text string) {
		if len(v.examples) < 10 {
			v.examples = append(v.examples, what+": "+text)
		}
	}
	for _, text := range l.strange {
		note("not asked for", text)
	}
	type entry struct {
		text string
		*line
	}
	var all []entry
	for text, found := range l.lines {
		all = append(all, entry{text, found})
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.n, b.n) })
	latest := make(map[string]int) // by chat: the newest arrival so far
	for _, e := range all {
		if e.arrival == 0 {
			v.Lost++
			note("lost", e.text)
			continue
		}
		if len(e.ids) > 1 {
			v.Duplicated++
			note("duplicated", e.text)
		}
		if _, ok := e.ids[e.id]; !ok {
			v.WrongID++
			note("another id", e.text)
		}
		for _, copies := range e.ids {
			v.Repeated += copies - 1
		}
		if e.arrival < latest[e.chat] {
			v.OutOfOrder++
			note("overtaken", e.text)
		}
		latest[e.chat] = max(latest[e.chat], e.arrival)
	}
	return v
}
