package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wasup/internal/sandbox/phones"
)

// watched is an output that ends the command once a text was printed.
type watched struct {
	mu    sync.Mutex
	text  strings.Builder
	until string
	end   context.CancelFunc
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.until) {
		w.end()
	}
	return len(p), nil
}

func TestTheSandboxPlaysAScenario(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &watched{until: "\x00", end: cancel}, &watched{until: "scenario is over", end: cancel}
	code := run(ctx, []string{
		"sandbox", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--scenario", "outage", "--scenario.speed", "100",
	}, nil, out, errs)
	if code != exitOK || strings.Count(errs.text.String(), "server restarted") != 2 {
		t.Errorf("exit code %d, log:\n%s", code, &errs.text)
	}
}

func TestScenariosThatCannotBePlayedAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weather.yaml")
	if err := os.WriteFile(file, []byte("steps:\n  - drop: {}\n  - at: noon\n    drop: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--scenario sunshine", "expected a file or one of ban-wave, client-outdated"},
		{"--scenario " + file, "line 3: at: expected a duration"},
		{"--version.min 2.3000", `--version.min "2.3000": expected three numbers such as 2.3000.1045649367`},
		{"--version.web new", `--version.web "new": expected three numbers`},
		{"--scenario outage --scenario.speed 0", "--scenario.speed 0: expected more than 0"},
	} {
		got := typeIn(t, nil, append([]string{"sandbox"}, strings.Fields(c.args)...)...)
		if got.code != exitUsage || !strings.Contains(got.errors, c.want) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}

func TestASandboxWithStateKeepsItsRootKey(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	start := func() [32]byte {
		p, err := startPlayground(playgroundConfig{listen: "127.0.0.1:0", admin: "127.0.0.1:0", state: folder}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.server.AddPhone(phones.Config{}); err != nil {
			t.Fatal(err)
		}
		key := p.server.RootPublicKey()
		if err = p.stop(); err != nil {
			t.Fatal(err)
		}
		return key
	}
	if first := start(); first != start() {
		t.Error("clients would not trust it any more")
	}
	if err := os.WriteFile(filepath.Join(folder, seedFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := typeIn(t, nil, "sandbox", "--state", folder); got.code == exitOK || !strings.Contains(got.errors, "has 5 bytes, expected 32") {
		t.Errorf("a broken seed: %+v", got)
	}
}
