package phones

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/profiles"
)

// Change is a change of a phone. A nil field stays as it is.
type Change struct {
	Name, About *string
	Script      *Script
	Delay       *time.Duration
	Online      *bool
	// OfflineFor switches the phone off for a time.
	OfflineFor *time.Duration
	// Aliases are other spellings of the number, under which contact queries find the account.
	Aliases *[]string
}

// Change checks all fields of a change before it applies any, so that a change that is refused changes nothing. It fails
// with the errors of Rename, SetAbout, SetScript, SetDelay, GoOffline and SetAliases of the directory.
func (p *Phone) Change(ctx context.Context, change Change) error {
	if err := p.checkChange(change); err != nil {
		return err
	}
	return errors.Join(
		// The name comes first: it can still fail, because linked devices are told. So can the aliases, if another phone has just taken one.
		given(change.Name, func(name string) error { return p.Rename(ctx, name) }),
		given(change.Aliases, func(list []string) error { return p.Net.Dir.SetAliases(p.Account, list) }),
		given(change.About, p.SetAbout),
		given(change.Script, p.SetScript),
		given(change.Delay, p.SetDelay),
		given(change.Online, func(on bool) error {
			p.SetOnline(on)
			return nil
		}),
		given(change.OfflineFor, p.GoOffline),
	)
}

func (p *Phone) checkChange(change Change) error {
	for _, err := range []error{
		given(change.Name, checkName),
		given(change.Delay, checkDelay),
		given(change.About, profiles.CheckAbout),
		given(change.Script, checkScript),
		given(change.Aliases, func(list []string) error { return p.Net.Dir.CheckAliases(p.Account, list) }),
		given(change.OfflineFor, checkAbsence),
	} {
		if err != nil {
			return err
		}
	}
	if change.Name != nil && !p.Online() {
		return ErrOffline
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("%w: got %d bytes", ErrBadName, len(name))
	}
	return nil
}

func checkScript(script Script) error {
	if !script.Valid() {
		return fmt.Errorf("%w: got %q", ErrBadScript, script)
	}
	return nil
}

func checkDelay(delay time.Duration) error {
	if delay <= 0 || delay > maxDelay {
		return fmt.Errorf("%w: got %s", ErrBadDelay, delay)
	}
	return nil
}

func checkAbsence(d time.Duration) error {
	if d <= 0 || d > faults.MaxFaultDelay {
		return fmt.Errorf("%w: got %s", ErrBadAbsence, d)
	}
	return nil
}
