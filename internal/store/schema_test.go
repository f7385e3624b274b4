package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/store"
)

// schemaOf returns the SQL of the objects of our schema as SQLite stores it, with white space normalised.
func schemaOf(t *testing.T, path string) string {
	t.Helper()
	rows, err := openDirect(t, path).QueryContext(t.Context(),
		"SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name LIKE '%wasup%' ORDER BY type, name")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out strings.Builder
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			t.Fatal(err)
		}
		text = strings.Join(strings.Fields(text), " ")
		// ALTER TABLE ADD COLUMN puts comma and bracket in another place.
		fmt.Fprintln(&out, kind, name, strings.NewReplacer(" ,", ",", "( ", "(", " )", ")").Replace(text))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAFileOfAnOlderVersionIsUpgraded(t *testing.T) {
	for _, version := range []string{"v1", "v2", "v3"} {
		t.Run(version, func(t *testing.T) { wantUpgraded(t, version) })
	}
}

func wantUpgraded(t *testing.T, version string) {
	t.Helper()
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.db"), filepath.Join(dir, "fresh.db")
	script, err := os.ReadFile(filepath.Join("testdata", version+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	direct := openDirect(t, old)
	if _, err := direct.ExecContext(t.Context(), string(script)); err != nil {
		t.Fatal(err)
	}
	if err := direct.Close(); err != nil {
		t.Fatal(err)
	}

	st := openAt(t, old)
	record, found, err := st.Sessions().Load(t.Context(), "51")
	if err != nil || !found || record.Desired != session.DesiredRun || record.DeviceJID == "" ||
		record.ConnectedAt.UnixMilli() != 1_700_000_002_000 {
		t.Errorf("the old row is %+v, %v, %v", record, found, err)
	}
	if saved, err := st.Sessions().SaveSettings(t.Context(), "51", session.Settings{Name: "Ana"}); err != nil ||
		record.Settings.Name != "" || record.Settings.Metadata != nil || saved.Settings.Name != "Ana" {
		t.Errorf("settings of the old row are %+v, then %+v, %v", record.Settings, saved.Settings, err)
	}
	if _, _, err := st.Outbox().Enqueue(t.Context(), entryOf("k"), time.Time{}); err != nil {
		t.Errorf("the new table is missing: %v", err)
	}
	if version == "v3" {
		wantTakenUp(t, st)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openAt(t, fresh).Close(); err != nil {
		t.Fatal(err)
	}
	got, want := schemaOf(t, old), schemaOf(t, fresh)
	if got != want {
		t.Errorf("upgraded schema is\n%s\na new one is\n%s", got, want)
	}
	if !strings.Contains(want, "table wasup_session") || !strings.Contains(want, "table wasup_outbox") {
		t.Errorf("schema is\n%s", want)
	}
}

// wantTakenUp fails the test unless the upgraded database still has the message that a version without kinds was
// sending.
func wantTakenUp(t *testing.T, st *store.Store) {
	t.Helper()
	page, _, err := st.Outbox().Next(t.Context(), "51", time.Now(), 10)
	if err != nil || len(page) != 2 || page[0].ID != "3EB0LEFT" || page[0].Key != "left" || page[0].State != message.Sending ||
		!reflect.DeepEqual(page[0].Content, message.TextOf("text that was on its way")) {
		t.Errorf("what was on its way is %+v, %v", page, err)
	}
}

func TestAFileOfANewerVersionIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	direct := openDirect(t, path)
	if _, err := direct.ExecContext(t.Context(), "UPDATE wasup_version SET version=1000, compat=999"); err != nil {
		t.Fatal(err)
	}
	if err := direct.Close(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "sqlite:"+path, session.CodeStoreUnavailable, path, "newer version of wasup")
	var version int
	if err := openDirect(t, path).QueryRowContext(t.Context(), "SELECT version FROM wasup_version").Scan(&version); err != nil || version != 1000 {
		t.Errorf("version became %d, %v", version, err)
	}
}

func TestATrialTableOfAnEarlierVersionDoesNotStopTheUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	st := openAt(t, path)
	for _, statement := range []string{
		"DROP TABLE wasup_trial",
		"DROP INDEX wasup_alias_at_idx",
		"DROP INDEX wasup_outbox_held_expiry_idx",
		"DROP INDEX wasup_outbox_revokes_idx",
		"ALTER TABLE wasup_outbox DROP COLUMN revokes",
		"CREATE TABLE wasup_trial (text TEXT NOT NULL)",
		"UPDATE wasup_version SET version=12",
	} {
		if _, err := st.DB().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}
