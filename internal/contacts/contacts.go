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

// Most is how many numbers can be asked about at a time.
const Most = 100

// Defaults of Options.
const (
	DefaultTTL       = 24 * time.Hour
	DefaultRemember  = 100_000
	DefaultPerMinute = 60
	DefaultBurst     = 2 * Most
)

// paced bounds the sessions whose pace is remembered. One that is forgotten has not asked for long, or is one of very many.
const paced = 20_000

// Options are what a Checker is made of. Zero values are the defaults.
type Options struct {
	TTL       time.Duration // how long an answer holds, "no account" as well
	Remember  int           // numbers that are remembered, about 300 bytes each
	PerMinute int           // numbers that one session may have WhatsApp asked about, on average
	Burst     int           // and at once, after a pause; at least Most
}

// Checker remembers and paces. It is safe for concurrent use.
type Checker struct {
	door    session.Door
	options Options

	known *lru.Cache[string, answer]
	mu    sync.Mutex // makes one limiter a session
	paces *lru.Cache[session.ID, *rate.Limiter]
}

type answer struct {
	contact message.Contact
	at      time.Time
}

// New checks the options. Errors: CodeInvalidRequest with the option as Field.
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
	paces, err := lru.New[session.ID, *rate.Limiter](paced)
	if err != nil {
		return nil, &session.Error{Code: session.CodeInternal, Op: "new checker", Err: err}
	}
	return &Checker{door: door, options: options, known: known, paces: paces}, nil
}

// CheckContacts says which phone numbers have an account, in the order of the question and spelled as in it. A number
// that was answered within the TTL is not asked about again, whichever session asked. Errors: CodeInvalidRequest naming
// phones or phones[i]; CodeRateLimited where the session has asked about too many new numbers, and nothing was asked;
// those of session.CheckContacts.
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
	if err := c.ask(ctx, id, missing, found, now); err != nil {
		return nil, err
	}
	contacts := make([]message.Contact, len(phones))
	for i, digits := range asked {
		contacts[i] = found[digits]
		contacts[i].Query = phones[i]
	}
	return contacts, nil
}

// ask fills in what is not known. What could not be asked does not count against the session.
func (c *Checker) ask(ctx context.Context, id session.ID, missing []string, found map[string]message.Contact, now time.Time) error {
	if len(missing) == 0 {
		return nil
	}
	turn := c.pace(id).ReserveN(now, len(missing))
	if wait := turn.DelayFrom(now); !turn.OK() || wait > 0 {
		turn.CancelAt(now)
		return &session.Error{
			Code: session.CodeRateLimited, Op: "check contacts", Session: id,
			Message: fmt.Sprintf("at most %d new numbers a minute are looked up; try again in %d s", c.options.PerMinute, int(math.Ceil(wait.Seconds()))),
		}
	}
	answers, err := message.CheckContacts.Ask(ctx, c.door, id, missing)
	switch {
	case session.CodeOf(err) == session.CodeNotReady, session.CodeOf(err) == session.CodeNotFound:
		turn.CancelAt(now) // WhatsApp was not asked
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

// pace is the session's share.
func (c *Checker) pace(id session.ID) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	limiter, ok := c.paces.Get(id)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(float64(c.options.PerMinute)/60), c.options.Burst)
		c.paces.Add(id, limiter)
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
			return nil, invalid(fmt.Sprintf("phones[%d]", i), "a phone number with country code (5 to 20 digits)")
		}
		asked[i], _, _ = strings.Cut(string(person), "@")
	}
	return asked, nil
}
