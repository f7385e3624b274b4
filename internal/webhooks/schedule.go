package webhooks

import (
	"math/rand/v2"
	"time"

	"wasup/internal/session"
)

// schedule is when an event is tried again.
type schedule struct {
	first   time.Duration // before the second attempt; it doubles with each that fails
	longest time.Duration // between two attempts
	within  time.Duration // from the first failure; an attempt that fails later is the last one
}

// jitter is how much of a pause is left to chance, so that what failed together does not come back together.
const jitter = 0.25

// pause is how long to wait after so many failed attempts, 1 or more: between three quarters of the doubled pause and
// all of it.
func (s schedule) pause(failed int) time.Duration {
	pause := session.Backoff{First: s.first, Longest: s.longest}.Step(failed)
	return pause - time.Duration(rand.Float64()*jitter*float64(pause)) //nolint:gosec // it spreads load and protects nothing
}

// over says whether an event that failed at this time has had its time.
func (s schedule) over(first, now time.Time) bool { return now.Sub(first) >= s.within }

// longestRetryAfter bounds what a receiver may ask for: one that says "in ten years" would have switched itself off
// without anybody knowing.
const longestRetryAfter = time.Hour

// later is the pause before the next attempt where the receiver may have asked for one.
func (s schedule) later(failed int, asked time.Duration) time.Duration {
	if asked <= 0 {
		return s.pause(failed)
	}
	asked = min(asked, longestRetryAfter)
	return asked + time.Duration(rand.Float64()*jitter*float64(min(asked, s.first))) //nolint:gosec // as above
}
