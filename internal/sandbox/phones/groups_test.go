package phones_test

import (
	"errors"
	"fmt"
	"testing"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

func TestWhoGetsNoLinkGetsNothing(t *testing.T) {
	n := newNetwork(t)
	ana, bea := newPhone(t, n), newPhone(t, n)
	group, err := ana.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{bea.Number()}})
	must(t, err)
	if link, err := bea.GroupLink(testContext(t), group, false); link != "" || !errors.Is(err, groups.ErrNotAdmin) {
		t.Errorf("a member who is no admin got %q, %v", link, err)
	}
	link, err := ana.GroupLink(testContext(t), group, false)
	must(t, err)
	var others []string
	for i := len(n.Groups.Find(group).Accounts()); i < groups.MaxMembers; i++ {
		a := accounts.New(ana, fmt.Sprint(4_900_000_000+i), nil, 1)
		must(t, n.Dir.Add(a, func() {}))
		others = append(others, a.Number)
	}
	must(t, ana.ChangeMembers(testContext(t), group, phones.AddMembers, others...))
	late := newPhone(t, n)
	if jid, _, err := late.JoinGroup(testContext(t), link); !jid.IsEmpty() || !errors.Is(err, groups.ErrFull) {
		t.Errorf("one too many joined %s, %v", jid, err)
	}
}
