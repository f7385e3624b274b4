package link

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryPairOfPhaseAndInputIsARowOrIgnoredWithAReason(t *testing.T) {
	type pair struct {
		phase phase
		on    input
	}
	named := map[pair]bool{}
	name := func(from []phase, on input, why string) {
		for _, phase := range from {
			if named[pair{phase, on}] || why == "" {
				t.Errorf("%s on %s is named twice, or without a reason", phase, on)
			}
			named[pair{phase, on}] = true
		}
	}
	for _, row := range table {
		name(row.from, row.on, row.why)
	}
	for _, each := range ignores {
		for _, on := range each.on {
			name(each.from, on, each.why)
		}
	}
	for _, phase := range phases {
		for _, on := range inputs {
			if !named[pair{phase, on}] {
				t.Errorf("%s on %s: neither a row nor ignored", phase, on)
			}
		}
	}
	if want := len(phases) * len(inputs); len(named) != want {
		t.Errorf("%d pairs are named, there are %d", len(named), want)
	}
}

func TestALinkThatIsHeldOrEndedHandsNothingOnAnyMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := phaseSilent
		for range rapid.IntRange(1, 20).Draw(t, "inputs") {
			on := rapid.SampledFrom(inputs).Draw(t, "input")
			next, may := p.after(on)
			if may && on != inputHoldAsked && (p == phaseHeld || p == phaseEnded) {
				t.Fatalf("%s in %s", on, p)
			}
			if p == phaseEnded && (may || next != phaseEnded) {
				t.Fatalf("%s leads from the end to %s", on, next)
			}
			if !slices.Contains(phases, next) {
				t.Fatalf("%s on %s leads to %q", p, on, next)
			}
			p = next
		}
	})
}
