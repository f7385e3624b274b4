package soak

import (
	"cmp"
	"slices"
	"sync"
)

// line is one message in a ledger. Texts are unique, so that a message that was sent twice with two ids is detected.
type line struct {
	chat    string
	n       int            // position in the order of requests
	id      string         // the WhatsApp message id that wasup answered
	arrival int            // position in the order of arrival; 0: not arrived
	ids     map[string]int // from id to number of arrivals with it
}

// ledger records the messages that were requested and those that arrived.
type ledger struct {
	mu      sync.Mutex
	lines   map[string]*line // by text
	asked   int
	arrived int
	strange []string // texts that were not requested
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

// arrive records an arrival. copies is the number of arrivals with this id so far.
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

// verdict is the result of comparing a ledger.
type verdict struct {
	Asked      int `json:"asked"`
	Arrived    int `json:"arrived"`
	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`    // arrived with more than one id, so that the reader sees it twice
	OutOfOrder int `json:"out_of_order"`  // arrived after a message of its chat that was requested later
	WrongID    int `json:"wrong_id"`      // arrived with another id than wasup answered
	Strange    int `json:"not_asked_for"` // arrived without a request
	Repeated   int `json:"repeated"`      // further arrivals with a known id, which the reader drops

	examples []string
}

func (v verdict) good() bool {
	return v.Lost == 0 && v.Duplicated == 0 && v.OutOfOrder == 0 && v.WrongID == 0 && v.Strange == 0
}

// compare compares the requests with the arrivals.
func (l *ledger) compare() verdict {
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
	latest := make(map[string]int) // by chat: the last arrival so far
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
