package incoming_test

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

	"wasup/internal/media/incoming"
	"wasup/internal/session"
)

func newFolder(t testing.TB, dir string) *incoming.Folder {
	t.Helper()
	folder, err := incoming.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return folder
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

func shelve(t testing.TB, folder *incoming.Folder, name string, content []byte) {
	t.Helper()
	f, err := folder.Begin(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if size, err := folder.Keep(f, name); err != nil || size != int64(len(content)) {
		t.Fatalf("kept %d bytes, %v", size, err)
	}
}

func TestAFolderKeepsWholeFilesUnderNamesThatSayNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "kept")
	folder := newFolder(t, dir)
	name, content := strings.Repeat("0ab1", 8), someBytes(100_000)
	shelve(t, folder, name, content)
	if got := files(t, dir); !slices.Equal(got, []string{filepath.Join("0a", "b1", name)}) {
		t.Fatalf("on the disk are %q", got)
	}
	for path, want := range map[string]os.FileMode{"": 0o700, "0a": 0o700, filepath.Join("0a", "b1"): 0o700, filepath.Join("0a", "b1", name): 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", path, info, err)
		}
	}
	f, err := folder.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	_ = f.Close()
	for size, want := range map[int64]bool{100_000: true, 99_999: false} {
		if has, err := folder.Has(name, size); has != want || err != nil {
			t.Errorf("has %d bytes: %v, %v", size, has, err)
		}
	}
	if err := errors.Join(folder.Remove(name), folder.Remove(name)); err != nil {
		t.Fatal(err)
	}
	_, err = folder.Open(name)
	wantCode(t, err, session.CodeMediaGone)
	if has, err := folder.Has(name, 100_000); has || err != nil {
		t.Errorf("has what was removed: %v, %v", has, err)
	}
}

func TestAFolderHasNothingThatWasNotFinished(t *testing.T) {
	dir := t.TempDir()
	folder := newFolder(t, dir)
	dropped, left := strings.Repeat("a", 32), strings.Repeat("b", 32)
	f, err := folder.Begin(dropped)
	if err != nil {
		t.Fatal(err)
	}
	folder.Drop(f, dropped)
	if got := files(t, dir); len(got) > 0 {
		t.Fatalf("dropped, but there is %q", got)
	}
	// The process dies here.
	f, err = folder.Begin(left)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write([]byte("half a"))
	_ = f.Close()
	_, err = folder.Open(left)
	wantCode(t, err, session.CodeMediaGone)
	folder = newFolder(t, dir)
	if got := files(t, dir); len(got) > 0 {
		t.Fatalf("after the next start there is %q", got)
	}
	shelve(t, folder, left, []byte("all of it"))
}

func TestAFolderRefusesNamesThatLeadElsewhere(t *testing.T) {
	dir := t.TempDir()
	folder := newFolder(t, filepath.Join(dir, "kept"))
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../secret", "../../../secret", "aaaa/../../../secret", strings.Repeat("A", 32), strings.Repeat("a", 31)} {
		_, err := folder.Open(name)
		wantCode(t, err, session.CodeMediaGone)
		_, err = folder.Begin(name)
		wantCode(t, err, session.CodeInternal)
		if has, err := folder.Has(name, 1); has || err != nil {
			t.Errorf("%q is there: %v", name, err)
		}
		if err := folder.Remove(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err != nil {
		t.Error(err)
	}
}

func TestAFolderListsWhatItHas(t *testing.T) {
	folder := newFolder(t, t.TempDir())
	var want, got []string
	for i := range 40 {
		name := fmt.Sprintf("%032x", i*0x01010101)
		name = name[24:] + name[:24]
		shelve(t, folder, name, []byte{byte(i)})
		want = append(want, name)
	}
	err := folder.Walk(t.Context(), func(_ context.Context, names []string) error {
		got = append(got, names...)
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("listed %q, %v", got, err)
	}
	stop := errors.New("stop")
	if err := folder.Walk(t.Context(), func(context.Context, []string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("walking on: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := folder.Walk(ended, func(context.Context, []string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("walking on after the end: %v", err)
	}
}
