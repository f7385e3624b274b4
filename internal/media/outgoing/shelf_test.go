package outgoing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wasup/internal/media/outgoing"
	"wasup/internal/session"
)

func newShelf(t testing.TB, dir string) *outgoing.Shelf {
	t.Helper()
	shelf, err := outgoing.NewShelf(dir)
	if err != nil {
		t.Fatal(err)
	}
	return shelf
}

// files lists what is below a folder, folders left out.
func files(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+string(filepath.Separator)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func shelve(t testing.TB, shelf *outgoing.Shelf, name string, content []byte) {
	t.Helper()
	f, err := shelf.Begin(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if size, err := shelf.Keep(f, name); err != nil || size != int64(len(content)) {
		t.Fatalf("kept %d bytes, %v", size, err)
	}
}

func TestAShelfKeepsWholeFilesUnderNamesThatSayNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "kept")
	shelf := newShelf(t, dir)
	name, content := strings.Repeat("0ab1", 8), someBytes(100_000)
	shelve(t, shelf, name, content)
	if got := files(t, dir); !slices.Equal(got, []string{filepath.Join("0a", "b1", name)}) {
		t.Fatalf("on the disk are %q", got)
	}
	for path, want := range map[string]os.FileMode{"": 0o700, "0a": 0o700, filepath.Join("0a", "b1"): 0o700, filepath.Join("0a", "b1", name): 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", path, info, err)
		}
	}
	f, err := shelf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	_ = f.Close()
	for size, want := range map[int64]bool{100_000: true, 99_999: false} {
		if has, err := shelf.Has(name, size); has != want || err != nil {
			t.Errorf("has %d bytes: %v, %v", size, has, err)
		}
	}
	if err := errors.Join(shelf.Remove(name), shelf.Remove(name)); err != nil {
		t.Fatal(err)
	}
	_, err = shelf.Open(name)
	wantCode(t, err, session.CodeMediaGone)
	if has, err := shelf.Has(name, 100_000); has || err != nil {
		t.Errorf("has what was removed: %v, %v", has, err)
	}
}

func TestAShelfHasNothingThatWasNotFinished(t *testing.T) {
	dir := t.TempDir()
	shelf := newShelf(t, dir)
	dropped, left := strings.Repeat("a", 32), strings.Repeat("b", 32)
	f, err := shelf.Begin(dropped)
	if err != nil {
		t.Fatal(err)
	}
	shelf.Drop(f, dropped)
	if got := files(t, dir); len(got) > 0 {
		t.Fatalf("dropped, but there is %q", got)
	}
	// The process dies here.
	f, err = shelf.Begin(left)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write([]byte("half a"))
	_ = f.Close()
	_, err = shelf.Open(left)
	wantCode(t, err, session.CodeMediaGone)
	shelf = newShelf(t, dir)
	if got := files(t, dir); len(got) > 0 {
		t.Fatalf("after the next start there is %q", got)
	}
	shelve(t, shelf, left, []byte("all of it"))
}

func TestAShelfRefusesNamesThatLeadElsewhere(t *testing.T) {
	dir := t.TempDir()
	shelf := newShelf(t, filepath.Join(dir, "kept"))
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../secret", "../../../secret", "aaaa/../../../secret", strings.Repeat("A", 32), strings.Repeat("a", 31)} {
		_, err := shelf.Open(name)
		wantCode(t, err, session.CodeMediaGone)
		_, err = shelf.Begin(name)
		wantCode(t, err, session.CodeInternal)
		if has, err := shelf.Has(name, 1); has || err != nil {
			t.Errorf("%q is there: %v", name, err)
		}
		if err := shelf.Remove(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err != nil {
		t.Error(err)
	}
}

func TestAShelfListsWhatItHas(t *testing.T) {
	shelf := newShelf(t, t.TempDir())
	var want, got []string
	for i := range 40 {
		name := fmt.Sprintf("%032x", i*0x01010101)
		name = name[24:] + name[:24]
		shelve(t, shelf, name, []byte{byte(i)})
		want = append(want, name)
	}
	err := shelf.Walk(t.Context(), func(_ context.Context, names []string) error {
		got = append(got, names...)
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("listed %q, %v", got, err)
	}
	stop := errors.New("stop")
	if err := shelf.Walk(t.Context(), func(context.Context, []string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("walking on: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := shelf.Walk(ended, func(context.Context, []string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("walking on after the end: %v", err)
	}
}
