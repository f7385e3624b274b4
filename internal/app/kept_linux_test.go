package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/testtools/disktest"
)

func TestAFullDiskStopsTheKeepingAndNothingElse(t *testing.T) {
	dir := disktest.Small(t, "1m")
	h := newKeepingHouse(t, func(cfg *configs.Config) { cfg.Media.Dir = dir })
	own, bruno := h.linked(1), h.phone(phones.ScriptRead)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 900_000), 0o600); err != nil {
		t.Fatal(err)
	}
	content := shown(t, bruno, own.Number(), phones.KindImage, 400_000)
	path := h.Attached(t, "1", 1)[sum(content)]
	apptest.Until(t, "it says that the disk is full", func() bool {
		return strings.Contains(string(h.Get("/metrics", 1).Body), "wasup_kept_media_paused 1\n")
	})
	h.Keeps(t, path, "waiting")
	h.talk(1, own, bruno, "goes on")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.Keeps(t, path, "kept")
	h.Whole(t, path, content)
	if n := strings.Count(h.log.String(), "are not kept for now"); n != 1 {
		t.Errorf("told %d times", n)
	}
	// The app must close its files before the disk is unmounted.
	h.close()
}
