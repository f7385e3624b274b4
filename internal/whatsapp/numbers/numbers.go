// Package numbers knows how WhatsApp writes phone numbers.
//
// Some numbers have several spellings, such as Brazilian ones with or without their ninth digit, Argentine ones with or
// without a 9 after 54, and Mexican ones with or without a 1 after 52. WhatsApp finds an account by each of them when it is
// asked about a contact, and answers with the one spelling that is an address. This package has no rules for countries:
// the answer decides. It owns the order in which an address is looked up, and remembers the answers. It does not ask
// WhatsApp itself.
package numbers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
)

// Aliases stores the addresses of numbers that WhatsApp writes otherwise, by number in digits. All sessions share them.
type Aliases interface {
	AliasesOf(ctx context.Context, numbers ...string) (map[string]message.Address, error)
	// SaveAliases removes numbers with the zero address, and forgets what was stored before forget.
	SaveAliases(ctx context.Context, addresses map[string]message.Address, forget time.Time) error
}

// StoreError is a failure of the database.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return "look up numbers: " + e.Err.Error() }

// Unwrap returns the database's error.
func (e *StoreError) Unwrap() error { return e.Err }

const (
	// absentFor is how long WhatsApp is not asked again about a number without an account, by everything but sends.
	absentFor = time.Minute
	// aliasAge is how long another spelling is remembered. WhatsApp is asked again later: the number may have changed hands.
	aliasAge = 180 * 24 * time.Hour
	// maxAbsent bounds such numbers.
	maxAbsent = 1000
	// MostAsked bounds the numbers of one question to WhatsApp.
	MostAsked = 100
)

// Book finds the addresses of people.
type Book struct {
	LIDs    store.LIDStore // what WhatsApp has said about numbers that are written as it writes them
	Aliases Aliases        // nil: other spellings are not remembered
	// Ask asks WhatsApp about numbers in digits. The answer has the addresses of those that have an account.
	Ask func(ctx context.Context, numbers []string) (map[string]message.Address, error)

	mu     sync.Mutex
	absent map[string]time.Time // numbers without an account, and when that was said
}

// Find returns the addresses of people that are given by phone number, by their users: the digits. WhatsApp is asked about
// numbers that nothing is known of, at most MostAsked at a time. People without an account are missing, and so are the
// others of more than MostAsked unknown numbers. Errors: *StoreError, and those of Ask.
func (b *Book) Find(ctx context.Context, users ...string) (map[string]message.Address, error) {
	found, unknown, err := b.remembered(ctx, users)
	if err != nil {
		return nil, err
	}
	if unknown = slices.DeleteFunc(unknown, b.isAbsent); len(unknown) == 0 {
		return found, nil
	}
	answers, err := b.Refresh(ctx, unknown[:min(len(unknown), MostAsked)]...)
	maps.Copy(found, answers)
	return found, err
}

// Known returns the address of a person that is given by phone number, without asking WhatsApp. Errors: *StoreError.
func (b *Book) Known(ctx context.Context, user string) (address message.Address, known bool, err error) {
	found, _, err := b.remembered(ctx, []string{user})
	address, known = found[user]
	return address, known, err
}

// Written returns addresses as WhatsApp writes them. Those of whom nothing is known stay as they are, and so do all if
// WhatsApp does not answer: a message does not fail because somebody whom it mentions cannot be looked up. Errors:
// *StoreError.
func (b *Book) Written(ctx context.Context, list []message.Address) ([]message.Address, error) {
	var users []string
	for _, who := range list {
		if user := numberOf(who); user != "" {
			users = append(users, user)
		}
	}
	if len(users) == 0 {
		return list, nil
	}
	found, err := b.Find(ctx, users...)
	var broken *StoreError
	if errors.As(err, &broken) {
		return nil, err
	}
	written := make([]message.Address, len(list))
	for i, who := range list {
		switch address, is := found[numberOf(who)]; {
		case !is:
		case address.PN != "":
			who.PN = address.PN
		default:
			who = address
		}
		written[i] = who
	}
	return written, nil
}

// numberOf returns the number of a person of whom only that is given, or "".
func numberOf(who message.Address) string {
	if who.LID != "" {
		return ""
	}
	user, _, _ := strings.Cut(who.PN, "@")
	return user
}

// Refresh asks WhatsApp about numbers, whatever is known of them, and remembers the answers. People without an account are
// missing. Errors: *StoreError, and those of Ask.
func (b *Book) Refresh(ctx context.Context, users ...string) (map[string]message.Address, error) {
	answers, err := b.Ask(ctx, users)
	if err != nil {
		return nil, err
	}
	return answers, b.Learn(ctx, users, answers)
}

// Learn remembers WhatsApp's answers about numbers. Errors: *StoreError.
func (b *Book) Learn(ctx context.Context, users []string, answers map[string]message.Address) error {
	others := make(map[string]message.Address)
	for _, user := range users {
		answer, has := answers[user]
		b.noteAbsent(user, !has)
		if has && !isWritten(user, answer) {
			others[user] = answer
		}
	}
	if b.Aliases == nil {
		return nil
	}
	stored, err := b.Aliases.AliasesOf(ctx, users...)
	if err != nil {
		return &StoreError{err}
	}
	for _, user := range users {
		switch other, is := others[user]; {
		case is && stored[user] == other:
			delete(others, user)
		case !is && !stored[user].IsZero(): // the number has an account of its own by now, or none
			others[user] = message.Address{}
		}
	}
	if err = b.Aliases.SaveAliases(ctx, others, time.Now().Add(-aliasAge)); err != nil {
		return &StoreError{err}
	}
	return nil
}

// isWritten reports whether an address has a number as it was asked for.
func isWritten(user string, address message.Address) bool {
	return address.PN == types.NewJID(user, types.DefaultUserServer).String()
}

// remembered returns the addresses of the numbers that are known, and the other numbers.
func (b *Book) remembered(ctx context.Context, users []string) (found map[string]message.Address, unknown []string, err error) {
	if found, err = b.mapped(ctx, users); err != nil {
		return nil, nil, err
	}
	for _, user := range users {
		if _, is := found[user]; !is && !slices.Contains(unknown, user) {
			unknown = append(unknown, user)
		}
	}
	if len(unknown) == 0 || b.Aliases == nil {
		return found, unknown, nil
	}
	others, err := b.Aliases.AliasesOf(ctx, unknown...)
	if err != nil {
		return nil, nil, &StoreError{err}
	}
	for user, address := range others {
		if address.LID == "" { // it may be known since
			pn, _, _ := strings.Cut(address.PN, "@")
			now, err := b.mapped(ctx, []string{pn})
			if err != nil {
				return nil, nil, err
			}
			if full, is := now[pn]; is {
				address = full
			}
		}
		found[user] = address
	}
	return found, slices.DeleteFunc(unknown, func(user string) bool { _, is := found[user]; return is }), nil
}

// mapped returns the addresses of the numbers whose LID is known. It asks the database once.
func (b *Book) mapped(ctx context.Context, users []string) (found map[string]message.Address, err error) {
	people := make([]types.JID, len(users))
	for i, user := range users {
		people[i] = types.NewJID(user, types.DefaultUserServer)
	}
	var lids map[types.JID]types.JID
	if len(people) == 1 { // whatsmeow remembers the outcome
		var lid types.JID
		lid, err = b.LIDs.GetLIDForPN(ctx, people[0])
		lids = map[types.JID]types.JID{people[0]: lid}
	} else {
		lids, err = b.LIDs.GetManyLIDsForPNs(ctx, people)
	}
	if err != nil {
		return nil, &StoreError{err}
	}
	found = make(map[string]message.Address, len(users))
	for pn, lid := range lids {
		if !lid.IsEmpty() {
			found[pn.User] = message.Address{LID: lid.ToNonAD().String(), PN: pn.String()}
		}
	}
	return found, nil
}

func (b *Book) isAbsent(user string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, is := b.absent[user]
	return is && time.Since(at) < absentFor
}

func (b *Book) noteAbsent(user string, absent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !absent {
		delete(b.absent, user)
		return
	}
	if b.absent == nil || len(b.absent) >= maxAbsent {
		b.absent = make(map[string]time.Time)
	}
	b.absent[user] = time.Now()
}
