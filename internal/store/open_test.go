package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
)

// wantRefused fails the test unless Open returns an error with this code and a Message of one line with these words.
func wantRefused(t *testing.T, dsn string, code session.Code, words ...string) {
	t.Helper()
	st, err := store.Open(t.Context(), dsn, store.Options{BusyTimeout: 50 * time.Millisecond})
	if err == nil {
		_ = st.Close()
		t.Fatalf("%s was opened", dsn)
	}
	var e *session.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("opening %s: %v, want code %s", dsn, err, code)
	}
	if strings.ContainsAny(e.Message, "\n") {
		t.Errorf("message %q is more than one line", e.Message)
	}
	for _, word := range words {
		if !strings.Contains(e.Message, word) {
			t.Errorf("message %q does not say %q", e.Message, word)
		}
	}
}

// wantTree fails the test unless dir contains exactly these names.
func wantTree(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			got = append(got, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("files are %v, want %v", got, want)
	}
}

func TestADataSourceNameThatIsNotOneIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for dsn, words := range map[string][]string{
		"":                                 {"sqlite:PATH"},
		"wasup.db":                         {"sqlite:PATH"},
		"sqlite:":                          {"path of a file"},
		"sqlite:data/":                     {"path of a file"},
		"sqlite::memory:":                  {"memory"},
		"sqlite://data/wasup.db":           {"sqlite:PATH"},
		"sqlite:wasup.db?mode=ro":          {"options"},
		"postgres:host=db password=secret": {"postgres://"},
		"postgresql://me:%secret@db/wasup": {"postgres://", "%40"},
		"postgres://me:secret@db/wasup?sslmode=twice": {"postgres://", "sslmode"},
		"mysql:me:secret@db":                          {`"mysql"`, "sqlite:PATH"},
	} {
		wantRefused(t, dsn, session.CodeInvalidRequest, append(words, "store.dsn")...)
		_, err := store.Open(t.Context(), dsn, store.Options{})
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("error %q repeats the password", err)
		}
	}
	wantTree(t, ".")
}

func TestTheDirectoryIsPrivateAndSoIsTheFile(t *testing.T) {
	dir := t.TempDir()
	st := openAt(t, filepath.Join(dir, "a", "b", "100% a#b.db"))
	for path, want := range map[string]os.FileMode{
		"a": 0o700, "a/b": 0o700, "a/b/100% a#b.db": 0o600, "a/b/100% a#b.db-wal": 0o600, "a/b/100% a#b.db.lock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, "a", "a/b", "a/b/100% a#b.db")
}

func TestARelativePathIsOfTheWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, path := range []string{"./data/wasup.db", "wasup.db"} {
		if err := openAt(t, path).Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantTree(t, dir, "data", "data/wasup.db", "wasup.db")
}

func TestCommitsWaitForTheDisk(t *testing.T) {
	st := openAt(t, filepath.Join(t.TempDir(), "wasup.db"))
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		var got string
		if err := st.DB().QueryRow(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}

func TestAPathThatIsNoDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	text := "these are my notes, and not a database\n"
	for name, content := range map[string]string{"notes.txt": text, "short": "SQL"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantRefused(t, "sqlite:"+dir, session.CodeInvalidRequest, "store.dsn", dir, "is a directory")
	wantRefused(t, "sqlite:"+dir+"/notes.txt", session.CodeInvalidRequest, "not a SQLite database")
	wantRefused(t, "sqlite:"+dir+"/short", session.CodeInvalidRequest, "not a SQLite database")
	wantRefused(t, "sqlite:"+dir+"/notes.txt/wasup.db", session.CodeStoreUnavailable, "is a file, not a directory")
	wantRefused(t, "sqlite:"+dir+"/notes.txt/a/wasup.db", session.CodeStoreUnavailable, "is a file, not a directory")
	wantRefused(t, "sqlite:/dev/null", session.CodeInvalidRequest, "not a regular file")
	wantTree(t, dir, "notes.txt", "short")
	if got, err := os.ReadFile(filepath.Join(dir, "notes.txt")); err != nil || string(got) != text {
		t.Errorf("the file became %q, %v", got, err)
	}
}

func TestADamagedDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(content); i++ { // everything after the header
		content[i] = 0xa5
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "sqlite:"+path, session.CodeStoreUnavailable, path, "damaged")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(content) {
		t.Errorf("the damaged file was changed: %v", err)
	}
}

func TestAnEmptyFileBecomesADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openAt(t, path).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestASecondProcessIsTurnedAwayByName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "wasup.db")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDSN+"=sqlite:"+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err) // the child's first line means that it has the database
	}
	go func() { _, _ = lines.WriteTo(discardAll{}) }()
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	words := fmt.Sprintf("is in use by another process (pid %d)", child.Process.Pid)
	wantRefused(t, "sqlite:"+path, session.CodeStoreLocked, path, words)
	wantRefused(t, "sqlite:"+link, session.CodeStoreLocked, path, words)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	openAt(t, path)
	wantRefused(t, "sqlite:"+path, session.CodeStoreLocked, "in use by this process")
}

type discardAll struct{}

func (discardAll) Write(p []byte) (int, error) { return len(p), nil }

// openDirect opens the file without the store, as another program would.
func openDirect(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestAProgramThatHoldsTheFileIsReportedAndWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	st, err := store.Open(t.Context(), "sqlite:"+path, store.Options{BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	wanted(t, st, "51")
	other := openDirect(t, path)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := st.Outbox().Enqueue(t.Context(), entryOf("k"), time.Time{}); session.CodeOf(err) != session.CodeStoreLocked {
		t.Errorf("Enqueue beside another writer: %v", err)
	}
	if _, err := st.Sessions().SetDesired(t.Context(), "51", session.DesiredRun); session.CodeOf(err) != session.CodeStoreLocked {
		t.Errorf("SetDesired beside another writer: %v", err)
	}
	if _, found, err := st.Sessions().Load(t.Context(), "51"); err != nil || !found {
		t.Errorf("Load beside another writer: %v, %v", found, err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, existed, err := st.Outbox().Enqueue(t.Context(), entryOf("k"), time.Time{}); err != nil || existed {
		t.Errorf("Enqueue after the other writer: %v, %v", existed, err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

func TestAProgramThatHoldsTheFileKeepsItFromOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wasup.db")
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	other := openDirect(t, path)
	for _, statement := range []string{"PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"} {
		if _, err := other.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	wantRefused(t, "sqlite:"+path, session.CodeStoreLocked, path, "locked by another program")
}

func TestAnOpeningThatIsCutShortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Open(ctx, "sqlite:"+dir+"/a/b/wasup.db", store.Options{})
	if session.CodeOf(err) != session.CodeStoreUnavailable {
		t.Errorf("opening with an ended context: %v", err)
	}
	wantTree(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "there.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(ctx, "sqlite:"+dir+"/there.db", store.Options{}); err == nil {
		t.Error("opened with an ended context")
	}
	wantTree(t, dir, "there.db")
}
