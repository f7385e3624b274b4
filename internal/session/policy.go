package session

import (
	"math/bits"
	"time"
)

// Policy holds the limits of the machine. All durations are positive.
type Policy struct {
	FirstCodeTTL    time.Duration // validity of the first code of a run; 60 s at WhatsApp
	CodeTTL         time.Duration // validity of every further code; 20 s at WhatsApp
	UnattendedAfter time.Duration // a pairing that nobody watched for this long is closed when its codes run out
	ConnectDeadline time.Duration // from opening a run to its first code or its login
	PairingDeadline time.Duration // from the scan to the login
	PasskeyDeadline time.Duration // the time that a person has to answer a passkey challenge
	BackoffMin      time.Duration // the wait before the first retry, without jitter
	BackoffMax      time.Duration // the longest wait between retries
	StableAfter     time.Duration // READY has to last this long before earlier failures are forgotten
	MaxAttempts     int           // consecutive failures before ERROR; 0 is unlimited
	CoolDown        time.Duration // from ERROR to the next attempt
	BanRetry        time.Duration // the length of a temporary ban that came without an expiry
	Restriction     time.Duration // the length of a send restriction (463) that came without an expiry
}

// DefaultPolicy returns the values of the default configuration.
func DefaultPolicy() Policy {
	return Policy{
		FirstCodeTTL: time.Minute, CodeTTL: 20 * time.Second, UnattendedAfter: 3 * time.Minute,
		ConnectDeadline: 30 * time.Second, PairingDeadline: 45 * time.Second, PasskeyDeadline: 5 * time.Minute,
		BackoffMin: time.Second, BackoffMax: time.Minute, CoolDown: 10 * time.Minute,
		// As long as the longest pause: a connection that breaks sooner is no better than a failed attempt.
		StableAfter: time.Minute,
		BanRetry:    time.Hour, Restriction: 24 * time.Hour,
	}
}

// longestAskedRest is the longest wait of a request for a code before its session connects.
const longestAskedRest = 10 * time.Second

// manyFailures is a number of failures after which the pause is the longest.
const manyFailures = 64

// Backoff is a pause that doubles with each failure in a row.
type Backoff struct{ First, Longest time.Duration }

// Step returns the pause after a number of failures, without jitter: First after one, twice as long after each further
// one, at most Longest. It returns 0 after none.
func (b Backoff) Step(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	step := b.First
	for range failures - 1 {
		if step <= 0 || step > b.Longest/2 {
			return b.Longest
		}
		step *= 2
	}
	return min(step, b.Longest)
}

// Backoff returns the wait after a number of failures: exponential from BackoffMin to BackoffMax, with a jitter between
// half of the step and the whole step. The jitter is computed from the seed, so the same arguments give the same wait.
func (p *Policy) Backoff(failures int, seed uint64) time.Duration {
	if failures <= 0 {
		return 0
	}
	step := Backoff{p.BackoffMin, p.BackoffMax}.Step(failures)
	half := step / 2
	return half + time.Duration(scale(mix(seed+uint64(failures)), uint64(step-half)+1))
}

// mix is the finalizer of splitmix64: a hash of x that looks random.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// scale maps x evenly onto [0, n).
func scale(x, n uint64) uint64 {
	hi, _ := bits.Mul64(x, n)
	return hi
}
