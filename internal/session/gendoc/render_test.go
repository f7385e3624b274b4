package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheDocumentsSayWhatTheTableSays(t *testing.T) {
	for name, want := range map[string]string{"state-machine.md": stateMachine(), "errors.md": errorCodes()} {
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/%s is not what the code says: run `go generate ./internal/session`", name)
		}
	}
}
