package storetest

import (
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

var revocationTests = []test{{"outbox/a revocation that WhatsApp has is known", revocations}}

func revocations(t *testing.T, st *store.Store) {
	lodge(t, st, "a", "b")
	revoke := func(key string, target message.Ref) outbox.Entry {
		e := entry("a", key)
		e.Content = message.Content{Kind: message.KindRevoke, Target: &target}
		return enqueued(t, st, e)
	}
	revoked := func(id session.ID, messageID string, want bool) {
		t.Helper()
		if got, err := st.Outbox().Revoked(bounded(t), id, messageID); err != nil || got != want {
			t.Errorf("%s %q is revoked: %t, %v", id, messageID, got, err)
		}
	}
	own, named := revoke("1", message.Ref{ID: "3EB0OWN"}), revoke("2", message.Ref{ID: "3EB0NAMED", FromMe: true})
	theirs := revoke("3", message.Ref{ID: "3EB0THEIRS", Sender: message.Address{LID: "5@lid"}})
	edit := entry("a", "4")
	edit.Content = message.Content{Kind: message.KindEdit, Text: "x", Target: &message.Ref{ID: "3EB0EDITED"}}
	edit = enqueued(t, st, edit)
	revoked("a", "3EB0OWN", false) // not yet
	for _, e := range []outbox.Entry{own, named, theirs, edit} {
		carried, err := st.Outbox().Advance(bounded(t), outbox.Change{
			Session: "a", ID: e.ID, From: []message.State{message.Queued}, To: message.ServerAck, AckedAt: time.Now(),
		})
		must(t, err)
		if !carried[0] {
			t.Error("the change was not carried out")
		}
	}
	for _, tc := range []struct {
		id        session.ID
		messageID string
		want      bool
	}{
		{"a", "3EB0OWN", true}, {"a", "3EB0NAMED", true}, {"a", "3EB0THEIRS", false}, {"a", "3EB0EDITED", false}, {"a", "", false}, {"b", "3EB0OWN", false},
	} {
		revoked(tc.id, tc.messageID, tc.want)
	}
}
