package phones

import (
	"context"
	"fmt"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/calls"
)

// CallConfig describes a call that a phone places.
type CallConfig struct {
	// To is a phone number, a JID or the JID of a group.
	To    string
	Video bool
	// Ring is how long the call rings before it ends by itself. Default 45 s, at most 10 minutes.
	Ring time.Duration
}

// caller places and answers a phone's calls.
type caller struct {
	*handset

	availability *availability
	journal      *journal
}

// PlaceCall calls an account or a group and returns the id of the call. The phone and all linked devices of the called
// accounts ring until somebody accepts or rejects the call, or until Ring is over. It fails with
// accounts.ErrUnknownContact, calls.ErrSelf, calls.ErrBadRing, ErrOffline or an error of package groups.
func (p *caller) PlaceCall(ctx context.Context, cfg CallConfig) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if cfg.Ring == 0 {
		cfg.Ring = calls.DefaultRing
	}
	if cfg.Ring < 0 || cfg.Ring > calls.MaxRing {
		return "", fmt.Errorf("%w: got %s", calls.ErrBadRing, cfg.Ring)
	}
	if !p.availability.Online() {
		return "", ErrOffline
	}
	to, err := p.Net.Groups.Chat(cfg.To)
	if err != nil {
		return "", err
	}
	return p.Net.Calls.Place(accounts.Origin{Account: p.Account}, to, cfg.Video, cfg.Ring)
}

// Calls lists the calls that the phone placed or got, oldest first. The server remembers the latest 1000 calls of all
// phones until it ends.
func (p *caller) Calls() []calls.Call { return p.Net.Calls.Of(p.Account) }

// AcceptCall accepts a ringing call. The account's other devices stop ringing. It fails with calls.ErrUnknown,
// calls.ErrState or ErrOffline.
func (p *caller) AcceptCall(ctx context.Context, id string) error {
	return p.callStep(ctx, id, p.Net.Calls.AcceptCall)
}

// RejectCall rejects a ringing call. The errors are those of AcceptCall.
func (p *caller) RejectCall(ctx context.Context, id string) error {
	return p.callStep(ctx, id, p.Net.Calls.RejectCall)
}

// EndCall hangs up a call that the phone placed or accepted. The errors are those of AcceptCall.
func (p *caller) EndCall(ctx context.Context, id string) error {
	return p.callStep(ctx, id, p.Net.Calls.HangUp)
}

func (p *caller) callStep(ctx context.Context, id string, step func(accounts.Origin, string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.availability.Online() {
		return ErrOffline
	}
	return step(accounts.Origin{Account: p.Account}, id)
}

// WaitCall waits for a call that matches and returns the oldest one. It checks again whenever a call of the phone
// changes, so match may test the state. It fails with ErrRemoved or the error of ctx.
func (p *caller) WaitCall(ctx context.Context, match func(calls.Call) bool) (calls.Call, error) {
	for {
		changed := p.journal.next()
		for _, call := range p.Calls() {
			if match(call) {
				return call, nil
			}
		}
		select {
		case <-changed:
		case <-p.removed:
			return calls.Call{}, ErrRemoved
		case <-ctx.Done():
			return calls.Call{}, fmt.Errorf("sandbox: waiting for a call: %w", ctx.Err())
		}
	}
}
