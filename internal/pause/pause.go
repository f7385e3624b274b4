// Package pause waits in a way that can be ended. How long to wait is not its affair: session.Backoff says that.
package pause

import "time"

// Sleep waits and reports true, or false as soon as done is closed.
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
