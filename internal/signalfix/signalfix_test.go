package signalfix

import (
	"reflect"
	"testing"

	"go.mau.fi/libsignal/state/record"
)

func state(base string, counter uint32) *record.StateStructure {
	return &record.StateStructure{SenderBaseKey: []byte(base), PreviousCounter: counter}
}

func session(current *record.StateStructure, archived ...*record.StateStructure) *record.SessionStructure {
	return &record.SessionStructure{SessionState: current, PreviousStates: archived}
}

func TestStatesThatFailedToDecryptAreRestored(t *testing.T) {
	before := session(state("a", 1), state("b", 2), state("c", 3))
	// c decrypted the message. The tries changed a and b, and a copy of c stayed in the archive.
	after := session(state("c", 4), state("a", 91), state("b", 92), state("c", 4))
	if !Archived(before, after) {
		t.Error("nothing was repaired")
	}
	if want := session(state("c", 4), state("a", 1), state("b", 2)); !reflect.DeepEqual(after, want) {
		t.Errorf("repaired to %+v", after.PreviousStates)
	}
	if want := session(state("a", 1), state("b", 2), state("c", 3)); !reflect.DeepEqual(before, want) {
		t.Error("what was loaded was changed")
	}
}

func TestANewSessionArchivesTheOldOne(t *testing.T) {
	before := session(state("a", 1))
	after := session(state("b", 0), state("a", 1))
	Archived(before, after)
	if want := session(state("b", 0), state("a", 1)); !reflect.DeepEqual(after, want) {
		t.Errorf("repaired to %+v", after.PreviousStates)
	}
}

func TestWithoutArchivedStatesThereIsNothingToRepair(t *testing.T) {
	for _, c := range []struct{ before, after *record.SessionStructure }{
		{nil, session(state("a", 1), state("b", 2))},
		{session(state("a", 1)), nil},
		{session(state("a", 1)), session(state("a", 2))},
		{session(nil), session(nil)},
	} {
		if Archived(c.before, c.after) {
			t.Errorf("%+v was repaired with %+v", c.after, c.before)
		}
	}
	if !SameCurrent(session(state("a", 1)), session(state("a", 2))) || SameCurrent(session(state("a", 1)), session(state("b", 1))) {
		t.Error("the current state is taken for another")
	}
}
