package sessions

import (
	"testing"

	"wasup/internal/session"
)

func TestAMadeUpIDIsAnIDAndNewEachTime(t *testing.T) {
	seen := make(map[session.ID]bool)
	for range 100 {
		id := randomID()
		if _, err := session.ParseID(string(id)); err != nil || seen[id] || len(id) != 16 {
			t.Fatalf("%q, %v", id, err)
		}
		seen[id] = true
	}
}
