package inbound

import (
	"sync"
	"time"
)

// linesPerMinute bounds the log lines that strangers can cause in one run.
const linesPerMinute = 5

// LineLimit limits log lines. Its zero value is ready for use.
type LineLimit struct {
	mu     sync.Mutex
	minute time.Time
	lines  int
}

// allow reports whether one more line may be written now.
func (l *LineLimit) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.minute) >= time.Minute {
		l.minute, l.lines = now, 0
	}
	l.lines++
	return l.lines <= linesPerMinute
}
