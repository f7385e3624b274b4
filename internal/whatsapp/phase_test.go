package whatsapp

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"wasup/internal/session"
)

func TestEveryPairOfPhaseAndInputIsARowOrIgnoredWithAReason(t *testing.T) {
	settled := map[phasePair]bool{} // the last row of the pair is unconditional
	for _, row := range phaseTable {
		if row.why == "" {
			t.Errorf("row %v on %s says no reason", row.from, row.on)
		}
		for _, from := range row.from {
			pair := phasePair{from, row.on}
			if settled[pair] {
				t.Errorf("%s on %s: a row after the unconditional one can never be taken", from, row.on)
			}
			settled[pair] = row.when == nil
		}
	}
	ignored := map[phasePair]bool{}
	for _, each := range phaseIgnores {
		if each.why == "" {
			t.Errorf("%v on %v is ignored without a reason", each.from, each.on)
		}
		for _, from := range each.from {
			for _, on := range each.on {
				pair := phasePair{from, on}
				if ignored[pair] {
					t.Errorf("%s on %s is ignored twice", from, on)
				}
				if settled[pair] {
					t.Errorf("%s on %s is both a row and ignored", from, on)
				}
				ignored[pair] = true
			}
		}
	}
	for _, each := range phases {
		for _, on := range runInputs {
			pair := phasePair{each.phase, on}
			if !settled[pair] && !ignored[pair] {
				t.Errorf("%s on %s: neither an unconditional row nor ignored", each.phase, on)
			}
		}
	}
	if pairs := len(phases) * len(runInputs); len(settled)+len(ignored) != pairs {
		t.Errorf("%d pairs are named, there are %d", len(settled)+len(ignored), pairs)
	}
}

// drawRunInput draws an input of the run, in the form in which the client makes it.
func drawRunInput(t *rapid.T) runInput {
	kind := rapid.SampledFrom(runInputs).Draw(t, "kind")
	from := session.Input{}
	switch kind {
	case inputTold:
		from.Kind = rapid.SampledFrom([]session.InputKind{
			session.QRIssued, session.PasskeyRequired, session.PasskeyAnswered, session.SocketUp, session.SendRestricted, session.Crashed,
		}).Draw(t, "told")
	case inputLastWord, inputDeviceForgotten:
		from.Kind = rapid.SampledFrom([]session.InputKind{
			session.LoggedOut, session.Banned, session.Replaced, session.TempBanned, session.ClientOutdated, session.PairFailed,
			session.ConnectRefused, session.SocketLost, session.KeepAliveStale, session.StoreFailed,
		}).Draw(t, "last word")
	case inputLoginRequested:
		from.Kind = session.LoginReconnect
	case inputPairingAccepted:
		from.Kind = session.Scanned
	case inputPairingConfirmed:
		from.Kind = session.Paired
	case inputStoreFailed:
		return runInput{kind: kind, err: errors.New("disk full")}
	default:
		return runInput{kind: kind}
	}
	if in := runInputFor(from); kind != inputDeviceForgotten && in.kind != kind {
		t.Fatalf("%s is %s to the run, want %s", from.Kind, in.kind, kind)
	}
	return runInput{kind: kind, post: from}
}

func TestARunKeepsItsWordWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(rapid.Bool().Draw(t, "has a device"))
		var (
			posted    []session.InputKind
			unlinked  bool // a person unlinked the device before the last word
			accepted  bool // a pairing was accepted and is not confirmed yet
			lastWords int
		)
		for range rapid.IntRange(1, 60).Draw(t, "inputs") {
			in := drawRunInput(t)
			before := m
			var posts []session.Input
			m, posts = m.step(in)
			for _, post := range posts {
				if lastWords > 0 || unlinked || !before.open() {
					t.Fatalf("%s posts %s in %s, after %v", in.kind, post.Kind, before.phase, posted)
				}
				if post.Kind == session.LoginReconnect && accepted {
					t.Fatalf("the login request comes before the pairing it belongs to: %v", posted)
				}
				switch {
				case post.Kind == session.Scanned:
					accepted = true
				case post.Kind == session.Paired:
					accepted = false
				case endsRun(post):
					lastWords++
				}
				posted = append(posted, post.Kind)
			}
			unlinked = unlinked || in.kind == inputUnlinkAsked && before.open()
			if m.phase == phaseFinished && lastWords != 1 && !unlinked {
				t.Fatalf("finished with %d last words: %v", lastWords, posted)
			}
			if before.phase == phaseForgetting && m.phase == phaseFinished && !unlinked && in.kind != inputDeviceForgotten {
				t.Fatalf("%s had the last word of a device that is being forgotten", in.kind)
			}
			neverBack(t, in, before, m)
		}
	})
}

// neverBack fails if a fact that was true has become false.
func neverBack(t *rapid.T, in runInput, before, after machine) {
	t.Helper()
	for what, flag := range map[string][2]bool{
		"the end of receiving":         {!before.receives(), !after.receives()},
		"the end of answers":           {!before.answers(), !after.answers()},
		"the end of the connection":    {before.connectionOver, after.connectionOver},
		"the failure of the database":  {before.failure != nil, after.failure != nil},
		"that the device is forgotten": {before.deviceForgotten, after.deviceForgotten},
		"closing":                      {!before.open(), !after.open()},
		"closed":                       {before.phase == phaseClosed, after.phase == phaseClosed},
	} {
		if flag[0] && !flag[1] {
			t.Fatalf("%s took back %s", in.kind, what)
		}
	}
	if in.kind == inputStoreFailed && after.receives() {
		t.Fatalf("%s: received after the database has failed", after.phase)
	}
	if in.kind == inputCloseAsked && after.open() {
		t.Fatalf("%s after Close", after.phase)
	}
}

func TestAFailureThatTheEndOfTheDeviceMadeIsNone(t *testing.T) {
	for _, first := range []runInput{{kind: inputTold}, {kind: inputLastWord, post: session.Input{Kind: session.SocketLost}}} {
		m, _ := newMachine(true).step(first)
		m, _ = m.step(runInput{kind: inputDeviceRemoved})
		m, _ = m.step(runInput{kind: inputStoreFailed, err: errors.New("no such row")})
		if m.failure != nil || m.receives() {
			t.Errorf("after %s: failure %v, receives %t", first.kind, m.failure, m.receives())
		}
	}
}
