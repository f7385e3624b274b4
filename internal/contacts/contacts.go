package contacts

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Most is the largest number of phone numbers in one request.
const Most = 100

// Defaults of Options.
const (
	DefaultTTL       = 24 * time.Hour
	DefaultRemember  = 100_000
	DefaultPerMinute = 60
	DefaultBurst     = 2 * Most
)

// maxLimiters bounds the sessions whose rate limiter is kept. A session whose limiter was evicted starts with a full
// burst. This affects only sessions that have not asked for a long time, unless very many sessions ask.
const maxLimiters = 20_000

// Options configures a Checker. A zero value selects the default.
type Options struct {
	TTL       time.Duration // how long an answer is valid, "no account" included
	Remember  int           // cached numbers, about 300 bytes each
	PerMinute int           // new numbers a minute that one session may look up on average
	Burst     int           // new numbers that it may look up at once after a pause; at least Most
}

// Checker looks up numbers, caches the answers and limits the rate of each session. It is safe for concurrent use.
type Checker struct {
	door    session.Door
	options Options

	known    *lru.Cache[string, answer]
	mu       sync.Mutex // so that a session gets only one limiter
	limiters *lru.Cache[session.ID, *rate.Limiter]
}

type answer struct {
	contact message.Contact
	at      time.Time
}

// New makes a Checker. Errors: CodeInvalidRequest with the invalid option as Field.
func New(door session.Door, options Options) (*Checker, error) {
	for _, o := range []struct {
		name     string
		value    int64
		fallback func()
		least    int64
	}{
		{"TTL", int64(options.TTL), func() { options.TTL = DefaultTTL }, 1},
		{"Remember", int64(options.Remember), func() { options.Remember = DefaultRemember }, 1},
		{"PerMinute", int64(options.PerMinute), func() { options.PerMinute = DefaultPerMinute }, 1},
		{"Burst", int64(options.Burst), func() { options.Burst = DefaultBurst }, Most},
	} {
		switch {
		case o.value == 0:
			o.fallback()
		case o.value < o.least:
			return nil, &session.Error{
				Code: session.CodeInvalidRequest, Op: "new checker", Field: o.name,
				Message: fmt.Sprintf("%s: expected at least %d, or 0 for the default", o.name, o.least),
			}
		}
	}
	known, err := lru.New[string, answer](options.Remember)
	if err != nil {
		return nil, &session.Error{Code: session.CodeInternal, Op: "new checker", Err: err}
	}
	limiters, err := lru.New[session.ID, *rate.Limiter](maxLimiters)
	if err != nil {
		return nil, &session.Error{Code: session.CodeInternal, Op: "new checker", Err: err}
	}
	return &Checker{door: door, options: options, known: known, limiters: limiters}, nil
}

// CheckContacts returns for each phone number whether it has an account, in the order of phones and with Query spelled
// as there. A number that was looked up within the TTL, by any session, is answered from the cache. Errors:
// CodeInvalidRequest with phones or phones[i] as Field; CodeRateLimited if the session has looked up too many new
// numbers (WhatsApp is then not asked); the errors of message.CheckContacts.
func (c *Checker) CheckContacts(ctx context.Context, id session.ID, phones []string) ([]message.Contact, error) {
	asked, err := digitsOf(id, phones)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	found := make(map[string]message.Contact, len(asked))
	var missing []string
	for _, digits := range asked {
		if _, seen := found[digits]; seen {
			continue
		}
		found[digits] = message.Contact{}
		if known, ok := c.known.Get(digits); ok && now.Sub(known.at) < c.options.TTL {
			found[digits] = known.contact
			continue
		}
		missing = append(missing, digits)
	}
	if err := c.lookUp(ctx, id, missing, found, now); err != nil {
		return nil, err
	}
	contacts := make([]message.Contact, len(phones))
	for i, digits := range asked {
		contacts[i] = found[digits]
		contacts[i].Query = phones[i]
	}
	return contacts, nil
}

// lookUp asks WhatsApp about the missing numbers and adds the answers to found and to the cache. If WhatsApp was not
// asked, the numbers do not count against the session's rate.
func (c *Checker) lookUp(ctx context.Context, id session.ID, missing []string, found map[string]message.Contact, now time.Time) error {
	if len(missing) == 0 {
		return nil
	}
	reservation := c.limiterOf(id).ReserveN(now, len(missing))
	if wait := reservation.DelayFrom(now); !reservation.OK() || wait > 0 {
		reservation.CancelAt(now)
		return &session.Error{
			Code: session.CodeRateLimited, Op: "check contacts", Session: id,
			Message: fmt.Sprintf("at most %d new numbers a minute are looked up; try again in %d s", c.options.PerMinute, int(math.Ceil(wait.Seconds()))),
		}
	}
	answers, err := message.CheckContacts.Ask(ctx, c.door, id, missing)
	switch {
	case session.CodeOf(err) == session.CodeNotReady, session.CodeOf(err) == session.CodeNotFound:
		reservation.CancelAt(now) // the session was not ready, so WhatsApp was not asked
		return err
	case err != nil:
		return err
	case len(answers) != len(missing):
		return &session.Error{Code: session.CodeInternal, Op: "check contacts", Session: id}
	}
	for i, digits := range missing {
		found[digits] = answers[i]
		c.known.Add(digits, answer{answers[i], now})
	}
	return nil
}

// limiterOf returns the session's rate limiter, and creates it if needed.
func (c *Checker) limiterOf(id session.ID) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	limiter, ok := c.limiters.Get(id)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(float64(c.options.PerMinute)/60), c.options.Burst)
		c.limiters.Add(id, limiter)
	}
	return limiter
}

func digitsOf(id session.ID, phones []string) ([]string, error) {
	invalid := func(field, expected string) error {
		return &session.Error{Code: session.CodeInvalidRequest, Op: "check contacts", Session: id, Field: field, Message: field + ": expected " + expected}
	}
	if len(phones) == 0 || len(phones) > Most {
		return nil, invalid("phones", fmt.Sprintf("1 to %d phone numbers", Most))
	}
	asked := make([]string, len(phones))
	for i, phone := range phones {
		person, err := message.ParsePerson(phone)
		if err != nil || person.Address().PN == "" {
			return nil, invalid(fmt.Sprintf("phones[%d]", i), "a phone number with country code (7 to 15 digits)")
		}
		asked[i], _, _ = strings.Cut(string(person), "@")
	}
	return asked, nil
}
