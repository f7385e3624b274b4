package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"wasup/internal/sandbox/faults"
)

// chaos kills the child cfg.Kills times, each time at a random moment, and breaks the network in between.
func (r *run) chaos(ctx context.Context) error {
	dice := rand.New(rand.NewPCG(r.cfg.Seed, 0x50a4)) //nolint:gosec // a fixed seed makes runs repeatable
	if r.cfg.Kills == 0 && r.cfg.Faults {
		return r.breakFor(ctx, dice, time.Duration(float64(r.cfg.Messages*r.cfg.Sessions)/r.cfg.Rate*float64(time.Second)))
	}
	for range r.cfg.Kills {
		// Between 0.5 and 1.5 times the mean: a kill may come while sessions are still connecting.
		life := time.Duration((0.5 + dice.Float64()) * float64(r.cfg.Between))
		if err := r.breakFor(ctx, dice, life); err != nil {
			return err
		}
		r.child.kill()
		r.kills.Add(1)
		if err := r.child.start(ctx); err != nil {
			return fmt.Errorf("start wasup again after kill %d: %w", r.kills.Load(), err)
		}
	}
	return nil
}

// breakFor waits for d. Meanwhile it breaks the network again and again, if the configuration has faults.
func (r *run) breakFor(ctx context.Context, dice *rand.Rand, d time.Duration) error {
	end := time.NewTimer(d)
	defer end.Stop()
	gust := time.NewTicker(max(50*time.Millisecond, r.cfg.Between/5))
	defer gust.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return nil
		case <-gust.C:
			if r.cfg.Faults {
				if err := r.fault(dice); err != nil {
					return err
				}
			}
		}
	}
}

// fault breaks one thing for one account. No fault here makes the server refuse a message permanently.
func (r *run) fault(dice *rand.Rand) error {
	account := r.pairs[dice.IntN(len(r.pairs))].own.Number()
	only := faults.Select{Account: account}
	r.faults.Add(1)
	set := func(f faults.Fault) error {
		f.Account = account
		_, err := r.server.SetFault(f)
		return err
	}
	switch dice.IntN(6) {
	case 0:
		r.server.DropTCP(only)
	case 1:
		r.server.EndStream(only)
	case 2:
		r.server.StreamError(only, 503, "", true)
	case 3:
		r.server.CloseConnections(only)
	case 4:
		return set(faults.Fault{Kind: faults.DelayAck, Delay: 300 * time.Millisecond, Count: 3})
	case 5:
		// The recipient gets the message, but wasup gets no acknowledgement: it must send the message again with the same id.
		if err := set(faults.Fault{Kind: faults.WithholdAck, Count: 1}); err != nil {
			return err
		}
		time.AfterFunc(200*time.Millisecond, func() { r.server.DropTCP(only) })
	}
	return nil
}
