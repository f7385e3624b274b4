package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"wasup/internal/session"
)

func TestADatabaseOfAnotherProgramIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	other := openDirect(t, path)
	if _, err := other.ExecContext(t.Context(), "CREATE TABLE account (name TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "sqlite:"+path, session.CodeInvalidRequest, "store.dsn", "belongs to another program")
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the other program's database was changed")
	}
}
