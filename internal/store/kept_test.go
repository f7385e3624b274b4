package store_test

import (
	"path/filepath"
	"testing"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

func TestFilesAreOnlyNotedWhereTheyAreKept(t *testing.T) {
	st := openAt(t, filepath.Join(t.TempDir(), "wasup.db"))
	err := st.Events().Append(t.Context(), events.Event{
		Session: "51", Type: events.TypeMessage, Data: []byte("{}"), Remote: &message.Remote{ID: "m", Kind: message.KindImage},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Kept().Find(t.Context(), "51", "m"); session.CodeOf(err) != session.CodeNotFound {
		t.Errorf("it is noted: %v", err)
	}
	if event, err := st.Events().Media(t.Context(), "51", "m"); err != nil || event.Remote == nil {
		t.Errorf("the event is %+v, %v", event, err)
	}
}
