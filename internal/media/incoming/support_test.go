package incoming_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/store"
)

// patience bounds waits; it is never measured.
const patience = time.Minute

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// world is what is around a downloader: a store, a disk, and sessions with files.
type world struct {
	t          testing.TB
	dir        string
	store      *store.Store
	options    incoming.Options
	downloader *incoming.Downloader
	log        *bytes.Buffer
	disk       func(*incoming.Folder) incoming.Store // wraps the disk

	mu      sync.Mutex
	files   map[string][]byte // by session and media
	away    map[session.ID]bool
	fetch   func(ctx context.Context, id session.ID, file message.Remote) error // before each fetch
	fetched []string
}

func newWorld(t testing.TB, change ...func(*incoming.Options)) *world {
	t.Helper()
	w := &world{
		t: t, dir: t.TempDir(), files: make(map[string][]byte), away: make(map[session.ID]bool), log: &bytes.Buffer{},
		options: incoming.Options{
			Age: time.Hour, RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond, Pause: time.Millisecond,
			Every: 5 * time.Millisecond, MaxAttempts: 1000,
		},
	}
	for _, c := range change {
		c(&w.options)
	}
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(w.dir, "wasup.db"), store.Options{KeepMedia: true})
	if err != nil {
		t.Fatal(err)
	}
	w.store = st
	t.Cleanup(func() {
		w.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", w.log)
		}
	})
	return w
}

// begin starts a downloader, as a process does.
func (w *world) begin() {
	w.t.Helper()
	folder, err := incoming.NewFolder(w.kept())
	if err != nil {
		w.t.Fatal(err)
	}
	disk := incoming.Store(folder)
	if w.disk != nil {
		disk = w.disk(folder)
	}
	options := w.options
	options.Logger = slog.New(slog.NewTextHandler(&locked{to: w.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.downloader = incoming.New(w.store.Kept(), w, disk, options)
	if err := w.downloader.Start(context.Background(), w); err != nil {
		w.t.Fatal(err)
	}
}

type locked struct {
	mu sync.Mutex
	to io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func (w *world) stop() {
	if w.downloader != nil {
		if err := w.downloader.Stop(context.Background()); err != nil {
			w.t.Error(err)
		}
	}
	w.downloader = nil
}

func (w *world) kept() string { return filepath.Join(w.dir, "kept") }

// come adds a message with a file of random bytes.
func (w *world) come(id session.ID, name string, size int, kind message.Kind) {
	w.t.Helper()
	content := make([]byte, size)
	_, _ = rand.Read(content)
	w.mu.Lock()
	w.files[string(id)+"/"+name] = content
	w.mu.Unlock()
	err := w.store.Events().Append(context.Background(), events.Event{
		Session: id, Type: events.TypeMessage, Key: name, Data: []byte("{}"),
		Remote: &message.Remote{ID: name, Length: int64(size), Kind: kind},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.downloader != nil {
		w.downloader.Arrived(id)
	}
}

// read gives a file as it is kept; nil where it is not.
func (w *world) read(id session.ID, name string) ([]byte, incoming.State) {
	w.t.Helper()
	f, state, err := w.downloader.Open(context.Background(), id, name)
	if err != nil {
		w.t.Fatal(err)
	}
	if f == nil {
		return nil, state
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return content, state
}

func (w *world) content(id session.ID, name string) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[string(id)+"/"+name]
}

// becomes waits until a file has come to a state, and compares it where it is kept.
func (w *world) becomes(id session.ID, name string, want incoming.State) {
	w.t.Helper()
	until(w.t, fmt.Sprintf("%s/%s is %q", id, name, want), func() bool {
		content, state := w.read(id, name)
		if state == incoming.Kept && !bytes.Equal(content, w.content(id, name)) {
			w.t.Fatalf("%s/%s is another file", id, name)
		}
		return state == want
	})
}

// onDisk lists the files that are there, whole or not.
func (w *world) onDisk() (all []string) {
	w.t.Helper()
	err := filepath.WalkDir(w.kept(), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		if os.IsNotExist(err) {
			return nil // removed meanwhile
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) set(id session.ID, ready bool) {
	w.mu.Lock()
	w.away[id] = !ready
	w.mu.Unlock()
	if ready && w.downloader != nil {
		w.downloader.SessionChanged(id, session.Ready, session.CauseConnected)
	}
}

func (w *world) before(fetch func(ctx context.Context, id session.ID, file message.Remote) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetch = fetch
}

// tried is how often a file was fetched.
func (w *world) tried(id session.ID, name string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range w.fetched {
		if each == string(id)+"/"+name {
			n++
		}
	}
	return n
}

// Ready implements kept.Source.
func (w *world) Ready(id session.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.away[id]
}

// Describe implements kept.Source.
func (w *world) Describe(ctx context.Context, id session.ID, name string) (message.Media, error) {
	event, err := w.store.Events().Media(ctx, id, name)
	if session.CodeOf(err) == session.CodeNotFound {
		return message.Media{}, &session.Error{Code: session.CodeMediaGone}
	}
	return message.Media{ID: name, Remote: event.Remote}, err
}

// Use implements session.Door for session.FetchMedia.
func (w *world) Use(ctx context.Context, id session.ID, use session.Use) (any, error) {
	download := use.Question.(message.Download)
	return session.None{}, w.download(ctx, id, download.File, download.To)
}

func (w *world) download(ctx context.Context, id session.ID, file message.Remote, to *os.File) error {
	w.mu.Lock()
	w.fetched = append(w.fetched, string(id)+"/"+file.ID)
	before, content := w.fetch, slices.Clone(w.files[string(id)+"/"+file.ID])
	w.mu.Unlock()
	if before != nil {
		if err := before(ctx, id, file); err != nil {
			_, _ = to.WriteString("half of ")
			return err
		}
	}
	_, err := to.Write(content)
	return err
}

func fail(code session.Code) error { return &session.Error{Code: code, Op: "fetch media"} }

func (w *world) logged(text string) bool { return strings.Contains(w.log.String(), text) }

func wantCode(t testing.TB, err error, code session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != code {
		t.Errorf("code is %q (%v), want %q", got, err, code)
	}
}

func someBytes(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return data
}
