package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/media/incoming"
	"wasup/internal/sandbox"
)

func keeping(cfg *configs.Config) { cfg.Media.KeepIncoming = 24 * time.Hour }

// eager shortens the pauses of the downloader.
func eager(o *incoming.Options) {
	o.RetryMin, o.Pause, o.Every = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
}

// newKeepingHouse starts an app that keeps files.
func newKeepingHouse(t *testing.T, change ...func(*configs.Config)) *house {
	t.Helper()
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	keeping(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	between := fewPrekeys(t, cfg.Store.DSN)
	between.downloading = eager
	return open(t, server, cfg, between)
}

// shown sends a file of random bytes and returns the bytes.
func shown(t testing.TB, from *sandbox.Phone, to string, kind phones.Kind, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.Read(content)
	_, err := from.SendMessage(apptest.Bounded(t), phones.Outgoing{To: to, Kind: kind, Media: &phones.Attachment{Data: content}})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func sum(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

func keptDir(cfg configs.Config) string {
	return filepath.Join(mediaDir(cfg.Media.Dir, cfg.Store.DSN), "kept")
}

// keptOnDisk returns the kept files on the disk, by the SHA-256 of their content. It includes unfinished files.
func keptOnDisk(t testing.TB, cfg configs.Config) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(keptDir(cfg), func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // deleted meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		all[sum(content)] = path
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKeptFilesOutliveWhatsAppTheSessionAndTheProcess(t *testing.T) {
	h := newKeepingHouse(t)
	own, bruno := h.linked(1), h.phone(phones.ScriptSilent)
	contents := [][]byte{
		shown(t, bruno, own.Number(), phones.KindImage, 100_003),
		shown(t, bruno, own.Number(), phones.KindVideo, 3<<20),
		shown(t, bruno, own.Number(), phones.KindDocument, 1),
		shown(t, bruno, own.Number(), phones.KindAudio, 65_536),
		shown(t, bruno, own.Number(), phones.KindSticker, 777),
	}
	paths := h.Attached(t, "1", len(contents))
	for _, path := range paths {
		h.Keeps(t, path, "kept")
	}
	downloads := h.server.Counters().Downloads
	for _, file := range h.server.Media().List() {
		if err := h.server.Media().Take(file.ID, 410, false); err != nil {
			t.Fatal(err)
		}
	}
	h.Post("/v1/sessions/1/stop", 1, "").Is(200)
	for round := range 2 {
		for _, content := range contents {
			h.Whole(t, paths[sum(content)], content)
		}
		film := paths[sum(contents[1])]
		part := h.Must(h.Try(context.Background(), "GET", film, 1, "", []string{"Range", "bytes=1000000-1999999"})).Is(206)
		if !bytes.Equal(part.Body, contents[1][1_000_000:2_000_000]) || part.Header.Get("Content-Range") != fmt.Sprintf("bytes 1000000-1999999/%d", 3<<20) {
			t.Errorf("a part: %d bytes, %v", len(part.Body), part.Header)
		}
		if round == 0 {
			h = h.reopen()
		}
	}
	if n := h.server.Counters().Downloads; n != downloads || int(n) != len(contents) {
		t.Errorf("%d files were downloaded %d times, %d when all were kept", len(contents), n, downloads)
	}
	if figures := string(h.Get("/metrics", 1).Body); !strings.Contains(figures, "wasup_kept_media_files 5\n") {
		t.Error("the metrics do not count 5 files")
	}
	h.Must(h.Try(context.Background(), "DELETE", "/v1/sessions/1", 1, "", nil)).Is(204)
	apptest.Until(t, "the deleted session's files are gone", func() bool { return len(keptOnDisk(t, h.cfg)) == 0 })
}

func TestFilesComeOnceTheMediaServerIsBack(t *testing.T) {
	h := newKeepingHouse(t)
	own, bruno := h.linked(1), h.phone(phones.ScriptRead)
	h.fault(faults.Fault{Kind: faults.MediaDownload, Code: 400})
	content := shown(t, bruno, own.Number(), phones.KindImage, 10_000)
	path := h.Attached(t, "1", 1)[sum(content)]
	apptest.Until(t, "three attempts", func() bool {
		figures := string(h.Get("/metrics", 1).Body)
		_, after, _ := strings.Cut(figures, `wasup_kept_media_failures_total{cause="fetch_failed"} `)
		n, _, _ := strings.Cut(after, "\n")
		count, err := strconv.Atoi(n)
		return err == nil && count >= 3
	})
	h.Keeps(t, path, "waiting")
	// Meanwhile messages are still sent and received.
	h.talk(1, own, bruno, "still here")
	h.server.ClearFaults()
	h.Keeps(t, path, "kept")
	h.Whole(t, path, content)
}

func TestNoMoreIsKeptThanIsAllowed(t *testing.T) {
	h := newKeepingHouse(t, func(cfg *configs.Config) {
		cfg.Media.KeepIncomingTotal, cfg.Media.KeepIncomingMaxSize, cfg.Media.KeepIncomingKinds = 250_000, 100_000, "image, document"
	})
	own, bruno := h.linked(1), h.phone(phones.ScriptSilent)
	large := shown(t, bruno, own.Number(), phones.KindImage, 100_001)
	film := shown(t, bruno, own.Number(), phones.KindVideo, 10)
	first := shown(t, bruno, own.Number(), phones.KindImage, 100_000)
	paths := h.Attached(t, "1", 3)
	h.Keeps(t, paths[sum(first)], "kept")
	h.Keeps(t, paths[sum(large)], "too_large")
	h.Keeps(t, paths[sum(film)], "unwanted")
	if got := h.Get(paths[sum(large)], 1).Is(200); !bytes.Equal(got.Body, large) || got.Header.Get("Accept-Ranges") != "none" {
		t.Errorf("a file that is too large to keep: %d bytes, %v", len(got.Body), got.Header)
	}
	second := shown(t, bruno, own.Number(), phones.KindDocument, 100_000)
	h.Keeps(t, h.Attached(t, "1", 4)[sum(second)], "kept")
	third := shown(t, bruno, own.Number(), phones.KindImage, 100_000)
	h.Keeps(t, h.Attached(t, "1", 5)[sum(third)], "kept")
	h.Whole(t, h.Attached(t, "1", 5)[sum(second)], second)
	there := keptOnDisk(t, h.cfg)
	if len(there) != 2 || there[sum(second)] == "" || there[sum(third)] == "" {
		t.Errorf("on the disk are %v", there)
	}
	// The first file was deleted to make room. WhatsApp still has it.
	if got := h.Get(paths[sum(first)], 1).Is(200); !bytes.Equal(got.Body, first) || got.Header.Get("X-Media-Kept") != "" {
		t.Errorf("the first one: %d bytes, %v", len(got.Body), got.Header)
	}
}

func TestKeptFilesGoWhenTheyAreTooOld(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	keeping(&cfg)
	var later atomic.Int64
	between := fewPrekeys(t, cfg.Store.DSN)
	between.downloading = func(o *incoming.Options) {
		eager(o)
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	}
	h := open(t, server, cfg, between)
	own, bruno := h.linked(1), h.phone(phones.ScriptSilent)
	content := shown(t, bruno, own.Number(), phones.KindImage, 10_000)
	path := h.Attached(t, "1", 1)[sum(content)]
	h.Keeps(t, path, "kept")
	later.Store(int64(25 * time.Hour))
	apptest.Until(t, "its file is gone", func() bool { return len(keptOnDisk(t, cfg)) == 0 })
	if got := h.Get(path, 1).Is(200); !bytes.Equal(got.Body, content) || got.Header.Get("X-Media-Kept") != "" {
		t.Errorf("from WhatsApp came %d bytes, %v", len(got.Body), got.Header)
	}
}

func TestAKillLeavesNoHalfFileAndLosesNone(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	keeping(&cfg)
	child, c := apptest.ServeChild(t, cfg)
	own, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Scan(apptest.Bounded(t), c.Get("/qr-code", 1).Is(200).Code()); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "READY", func() bool { return c.Get("/status", 1).Is(200).Fields["connected"] == true })
	// The files come one after the other, so that a kill happens during a download.
	const files = 12
	contents := make(map[string][]byte, files)
	for range files {
		content := shown(t, peer, own.Number(), phones.KindDocument, 4<<20)
		contents[sum(content)] = content
	}
	for n := 1; n <= 3; n++ {
		apptest.Until(t, "some are kept", func() bool { return len(keptOnDisk(t, cfg)) > 3*n })
		child.Kill()
		child, c = apptest.ServeChild(t, cfg)
	}
	paths := c.Attached(t, "1", files)
	if len(paths) != files {
		t.Fatalf("%d files arrived", len(paths))
	}
	for of, path := range paths {
		c.Keeps(t, path, "kept")
		c.Whole(t, path, contents[of])
	}
	there := keptOnDisk(t, cfg)
	for of, path := range there {
		if contents[of] == nil {
			t.Errorf("%s is no file that came", path)
		}
	}
	if len(there) != files {
		t.Errorf("%d files are on the disk", len(there))
	}
}
