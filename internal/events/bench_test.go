package events_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"wasup/internal/events"
	"wasup/internal/session"
)

// small returns events of 300 bytes, of ten sessions.
func small(n int) []events.Event {
	data := json.RawMessage(fmt.Sprintf(`{"id":"3EB0","text":%q}`, strings.Repeat("a", 277)))
	list := make([]events.Event, n)
	for i := range list {
		list[i] = events.Event{Session: session.NumericID(int64(i%10 + 1)), Type: events.TypeMessage, Data: data}
	}
	return list
}

// BenchmarkAppend appends 64 events in one commit.
func BenchmarkAppend(b *testing.B) {
	l := openLog(b, openStore(b), events.Options{})
	batch := small(64)
	for b.Loop() {
		add(b, l, batch...)
	}
}

// BenchmarkPage reads a page of 500 events from the table.
func BenchmarkPage(b *testing.B) {
	l := openLog(b, openStore(b), events.Options{})
	add(b, l, small(2000)...)
	for b.Loop() {
		if found, _, _, err := l.Page(bounded(b), 700, "", nil, 500); err != nil || len(found) != 500 {
			b.Fatal(len(found), err)
		}
	}
}

// BenchmarkReplay reads 5,000 events from the table, as a reader does that comes back.
func BenchmarkReplay(b *testing.B) {
	l := openLog(b, openStore(b), events.Options{Buffer: 1})
	const n = 5000
	add(b, l, small(n)...)
	handedOn(b, l, n)
	for b.Loop() {
		reader := follow(b, l, 0, "")
		for got := 0; got < n; {
			got += more(b, reader)
		}
		reader.Close()
	}
}

// BenchmarkFollow hands 64 events on to 100 readers that follow all sessions, and to 100 that follow one each.
func BenchmarkFollow(b *testing.B) {
	l := openLog(b, openStore(b), events.Options{})
	var readers []*events.Subscription
	for i := range 100 {
		readers = append(readers, follow(b, l, events.FromNow, ""), follow(b, l, events.FromNow, session.NumericID(int64(i%10+1))))
	}
	batch := small(60)
	for b.Loop() {
		add(b, l, batch...)
		var all sync.WaitGroup
		for i, reader := range readers {
			all.Go(func() {
				for want := []int{60, 6}[i%2]; want > 0; {
					want -= more(b, reader)
				}
			})
		}
		all.Wait()
	}
}

// more waits for the next events of a reader and returns their number.
func more(b *testing.B, s *events.Subscription) int {
	for {
		found, err := s.Next(b.Context())
		if err != nil {
			b.Error(err)
		}
		if len(found) > 0 || err != nil {
			return len(found)
		}
		<-s.C()
	}
}
