package webhooks

import (
	"math/rand/v2"
	"time"

	"wasup/internal/session"
)

// schedule says when an event is tried again.
type schedule struct {
	first   time.Duration // pause before the second attempt; doubles with each failed attempt
	longest time.Duration // longest pause between two attempts
	within  time.Duration // time limit from the first failure; an attempt that fails later is the last one
}

// jitter is the random part of a pause, so that events that failed together are not tried again together.
const jitter = 0.25

// pause returns the wait after a number of failed attempts, 1 or more: between three quarters of the doubled pause and
// all of it.
func (s schedule) pause(failed int) time.Duration {
	pause := session.Backoff{First: s.first, Longest: s.longest}.Step(failed)
	return pause - time.Duration(rand.Float64()*jitter*float64(pause)) //nolint:gosec // not used for security
}

// over reports whether an event that fails now is given up. first is the time of its first failure.
func (s schedule) over(first, now time.Time) bool { return now.Sub(first) >= s.within }

// longestRetryAfter limits a receiver's Retry-After. A receiver that asks for ten years would otherwise be switched off
// without anybody noticing.
const longestRetryAfter = time.Hour

// later returns the pause before the next attempt. asked is the receiver's Retry-After; 0: none.
func (s schedule) later(failed int, asked time.Duration) time.Duration {
	if asked <= 0 {
		return s.pause(failed)
	}
	asked = min(asked, longestRetryAfter)
	return asked + time.Duration(rand.Float64()*jitter*float64(min(asked, s.first))) //nolint:gosec // as above
}
