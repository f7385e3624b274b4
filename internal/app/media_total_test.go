package app

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"wasup/configs"
	"wasup/internal/app/apptest"
)

func TestUploadsHaveALimitTogether(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) {
		cfg.Media.MaxSize, cfg.Media.MaxTotal, cfg.Media.Dir = 50_000, 100_000, t.TempDir()
	})
	h.Post("/v1/sessions", 1, `{"id":"1"}`).Is(201)
	file := strings.Repeat("x", 45_000)
	for range 2 {
		h.Post("/v1/media", 1, file).Is(201)
	}
	before, err := os.ReadDir(h.cfg.Media.Dir)
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(file))
	for _, refused := range []apptest.Answer{
		h.Post("/v1/media", 1, file),
		h.Post("/v1/sessions/1/messages", 1, `{"to":"5491155550101","kind":"document","media":{"base64":"`+encoded+`"}}`),
	} {
		refused.Is(507).With("code", "media_full")
		if refused.Header.Get("Retry-After") != "60" || !strings.Contains(refused.Text("detail"), "media.max_total") {
			t.Errorf("%v %s", refused.Header, refused.Body)
		}
	}
	if after, err := os.ReadDir(h.cfg.Media.Dir); err != nil || len(after) != len(before) {
		t.Errorf("left in the folder: %v, %v", after, err)
	}
	h.Post("/v1/media", 1, "a small one").Is(201)
}
