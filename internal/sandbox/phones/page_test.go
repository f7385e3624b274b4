package phones_test

import (
	"errors"
	"testing"

	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

func TestAPhoneTypesWhereItMayWrite(t *testing.T) {
	n := newNetwork(t)
	ana, bea, stranger := newPhone(t, n), newPhone(t, n), newPhone(t, n)
	group, err := ana.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{bea.Number()}})
	must(t, err)
	typing := func(p *phones.Phone) error {
		return p.SendChatState(testContext(t), group.String(), phones.StateComposing)
	}
	if err := typing(stranger); !errors.Is(err, groups.ErrNotInGroup) {
		t.Errorf("one who is not in the group: %v", err)
	}
	must(t, typing(bea))
	on := true
	must(t, ana.ChangeGroup(testContext(t), group, phones.GroupChange{Announce: &on}))
	if err := typing(bea); !errors.Is(err, groups.ErrNotAdmin) {
		t.Errorf("a member among announcements: %v", err)
	}
	must(t, typing(ana))
}
