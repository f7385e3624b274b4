package store_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/testtools/disktest"
)

func TestAFullDiskOfThePostgresServerRefusesTheMessageAndRecovers(t *testing.T) {
	pgtest.Needed(t)
	disk := disktest.Small(t, "8m")
	cluster := pgtest.New(t)
	cluster.Give(t, disk)
	cluster.Exec(t, "CREATE TABLESPACE small LOCATION '"+disk+"'")
	st := openDSN(t, cluster.Database(t), store.Options{})
	if _, err := st.DB().Exec(t.Context(), "ALTER TABLE wasup_outbox SET TABLESPACE small"); err != nil {
		t.Fatal(err)
	}
	wanted(t, st, "51")
	box := outbox.New(st.Outbox(), outbox.Options{})
	if err := box.Start(t.Context(), &wire{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := box.SendText(t.Context(), text("kept", "hola")); err != nil {
		t.Fatal(err)
	}
	empty := disktest.Fill(t, disk)
	_, err := box.SendText(t.Context(), text("big", incompressible(60_000)))
	if session.CodeOf(err) != session.CodeStoreFull {
		t.Errorf("a message for a full disk: %v", err)
	}
	empty()
	for _, key := range []string{"kept", "big"} {
		if _, err := box.SendText(t.Context(), text(key, "hola")); err != nil {
			t.Errorf("%s, after room was made: %v", key, err)
		}
	}
}

// incompressible returns text that the server cannot compress.
func incompressible(size int) string {
	var out strings.Builder
	for state := uint64(88172645463325252); out.Len() < size; {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out.WriteString(strconv.FormatUint(state, 36))
	}
	return out.String()
}
