// Package pause provides a sleep that can be cancelled. It does not choose the duration: session.Backoff does.
package pause

import "time"

// Sleep waits for d and returns true. It returns false at once when done is closed.
func Sleep(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
