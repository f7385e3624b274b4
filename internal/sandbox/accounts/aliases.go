package accounts

import (
	"errors"
	"fmt"
	"slices"
)

// MaxAliases bounds the other spellings of one number.
const MaxAliases = 8

// Errors of aliases.
var (
	ErrBadAlias       = errors.New("not a phone number: expected 7 to 15 digits, the first not 0")
	ErrAliasTaken     = errors.New("this number belongs to another phone")
	ErrTooManyAliases = fmt.Errorf("more than %d aliases", MaxAliases)
)

// CheckSpellings fails with ErrBadAlias or ErrTooManyAliases if no account can have these aliases.
func CheckSpellings(aliases []string) error {
	if len(aliases) > MaxAliases {
		return ErrTooManyAliases
	}
	for _, alias := range aliases {
		if !ValidNumber(alias) {
			return fmt.Errorf("%w: got %q", ErrBadAlias, alias)
		}
	}
	return nil
}

// SetAliases replaces the other spellings of an account's number, such as a Brazilian number with or without its ninth
// digit. Contact queries find the account by each of them and answer with its number. Nothing else does: as addresses
// they belong to nobody. It fails with the errors of CheckSpellings, or with ErrAliasTaken for a number or an alias of
// another account, and changes nothing then.
func (d *Directory) SetAliases(a *Account, aliases []string) error {
	if err := CheckSpellings(aliases); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.checkFree(a, aliases); err != nil {
		return err
	}
	for _, alias := range a.aliases {
		delete(d.byAlias, alias)
	}
	a.aliases = slices.Clone(aliases)
	for _, alias := range aliases {
		d.byAlias[alias] = a
	}
	a.Changed.Store(true)
	return nil
}

// CheckAliases fails as SetAliases would.
func (d *Directory) CheckAliases(a *Account, aliases []string) error {
	if err := CheckSpellings(aliases); err != nil {
		return err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.checkFree(a, aliases)
}

// checkFree fails with ErrAliasTaken if a number or another account has one of the aliases. The caller holds the lock.
func (d *Directory) checkFree(a *Account, aliases []string) error {
	for _, alias := range aliases {
		if alias == a.Number || d.byNumber[alias] != nil || d.byAlias[alias] != nil && d.byAlias[alias] != a {
			return fmt.Errorf("%w: %s", ErrAliasTaken, alias)
		}
	}
	return nil
}

// Aliases returns the other spellings of an account's number.
func (d *Directory) Aliases(a *Account) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(a.aliases)
}

// Spelled returns the account that a contact query for a number finds, by its number or by another spelling, or nil.
func (d *Directory) Spelled(number string) *Account {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a := d.byNumber[number]; a != nil {
		return a
	}
	return d.byAlias[number]
}
