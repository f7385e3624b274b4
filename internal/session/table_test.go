package session_test

import (
	"slices"
	"testing"

	"wasup/internal/session"
)

type pair struct {
	state session.State
	input session.InputKind
}

func TestEveryPairOfStateAndInputIsARowOrIgnoredWithAReason(t *testing.T) {
	settled := map[pair]bool{} // the last row of the pair is unconditional
	rows := map[pair]int{}
	for _, rule := range session.Table() {
		if rule.Why == "" {
			t.Errorf("row %v on %s says no reason", rule.From, rule.On)
		}
		for _, from := range rule.From {
			p := pair{from, rule.On}
			if settled[p] {
				t.Errorf("%s on %s: a row after the unconditional one can never be taken", p.state, p.input)
			}
			rows[p]++
			settled[p] = rule.When == nil
		}
	}
	ignored := map[pair]bool{}
	for _, ig := range session.Ignores() {
		if ig.Why == "" {
			t.Errorf("%v on %v is ignored without a reason", ig.From, ig.On)
		}
		for _, state := range ig.From {
			for _, input := range ig.On {
				p := pair{state, input}
				if ignored[p] {
					t.Errorf("%s on %s is ignored twice", state, input)
				}
				if settled[p] {
					t.Errorf("%s on %s is both a row and ignored", state, input)
				}
				ignored[p] = true
			}
		}
	}
	for _, state := range session.States() {
		for _, input := range session.Inputs() {
			p := pair{state, input}
			if !settled[p] && !ignored[p] {
				t.Errorf("%s on %s: neither an unconditional row nor ignored (%d guarded rows)", state, input, rows[p])
			}
		}
	}
}

func TestTheTableUsesOnlyKnownNames(t *testing.T) {
	states, inputs, causes := session.States(), session.Inputs(), session.Causes()
	for _, rule := range session.Table() {
		for _, from := range rule.From {
			if !slices.Contains(states, from) {
				t.Errorf("unknown state %q", from)
			}
		}
		if rule.To != "" && !slices.Contains(states, rule.To) {
			t.Errorf("unknown state %q", rule.To)
		}
		if !slices.Contains(inputs, rule.On) {
			t.Errorf("unknown input %q", rule.On)
		}
		if rule.Cause != "" && !slices.Contains(causes, rule.Cause) {
			t.Errorf("unknown cause %q", rule.Cause)
		}
	}
}
