package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
)

func TestWhatKeepsItFromStartingIsOneClearLineAndLeavesNothingBehind(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	held := apptest.Quick(server, apptest.NewDSN(t))
	apptest.ServeChild(t, held)
	for name, c := range map[string]struct {
		dsn, listen string
		says        []string
	}{
		"a directory that is a file":   {dsn: "sqlite:" + file + "/data/wasup.db", says: []string{file, "not a directory"}},
		"a directory nobody can write": {dsn: "sqlite:/proc/wasup-test/wasup.db", says: []string{"/proc/wasup-test/wasup.db"}},
		"a file that is no database":   {dsn: "sqlite:" + text, says: []string{text, "not a SQLite database"}},
		"a database in use":            {dsn: held.Store.DSN, says: []string{"in use by another process"}},
		"a port in use":                {dsn: "sqlite:" + folder + "/new/wasup.db", listen: taken.Addr().String(), says: []string{taken.Addr().String(), "taken"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := listing(t, folder)
			cfg := apptest.Quick(server, c.dsn)
			if c.listen != "" {
				cfg.HTTP.Listen = c.listen
			}
			cfg.Log.Level = 8 // only errors
			got := typeIn(t, nil, apptest.ServeArgs(t, cfg)...)
			if got.code != exitFailed {
				t.Errorf("exit code %d, want %d", got.code, exitFailed)
			}
			if strings.Count(got.errors, "\n") != 1 || !strings.HasPrefix(got.errors, "wasup: ") {
				t.Errorf("not one line: %q", got.errors)
			}
			for _, says := range c.says {
				if !strings.Contains(got.errors, says) {
					t.Errorf("%q does not say %q", got.errors, says)
				}
			}
			if after := listing(t, folder); after != before {
				t.Errorf("it left something behind: before\n%safter\n%s", before, after)
			}
		})
	}
}

// listing lists every file below a folder with its size.
func listing(t testing.TB, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && !entry.IsDir() {
			fmt.Fprintf(&b, "%s %d\n", path, info.Size())
		} else {
			fmt.Fprintf(&b, "%s/\n", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheSandboxListensOnLoopbackAndOnAPortThatExists(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "localhost:3002", "[::1]:65535"} {
		if err := loopback(addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:", "127.0.0.1", "0.0.0.0:3002", ":3002"} {
		if loopback(addr) == nil {
			t.Errorf("%s is accepted", addr)
		}
	}
}
