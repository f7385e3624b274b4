package outgoing_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/media/outgoing"
	"wasup/internal/message"
	"wasup/internal/session"
)

func newFolder(t testing.TB, change ...func(*outgoing.Options)) (folder *outgoing.Folder, dir string) {
	t.Helper()
	options := outgoing.Options{Dir: filepath.Join(t.TempDir(), "media")}
	for _, c := range change {
		c(&options)
	}
	folder, err := outgoing.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return folder, options.Dir
}

func someBytes(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return data
}

func put(t testing.TB, folder *outgoing.Folder, data []byte, hint message.FileHint) message.Media {
	t.Helper()
	known, err := folder.Put(t.Context(), bytes.NewReader(data), hint)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func read(t testing.TB, folder *outgoing.Folder, file string) []byte {
	t.Helper()
	f, err := folder.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func wantCode(t testing.TB, err error, code session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != code {
		t.Errorf("code is %q (%v), want %q", got, err, code)
	}
}

// inside lists the folder.
func inside(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestAFileIsKeptByteForByteAndOutlivesTheFolder(t *testing.T) {
	folder, dir := newFolder(t)
	for _, size := range []int{1, 3071, 100_000, 3 << 20} {
		data := someBytes(size)
		data[0] = 0 // not the beginning of any known type
		known := put(t, folder, data, message.FileHint{Name: "a b.bin"})
		sum := sha256.Sum256(data)
		if known.Size != int64(size) || known.SHA256 != hex.EncodeToString(sum[:]) || known.Mime != "application/octet-stream" || known.Name != "a b.bin" {
			t.Fatalf("%d bytes: %+v", size, known)
		}
		again, err := outgoing.New(outgoing.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, again, known.File); !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d", size, len(got))
		}
		found, err := again.Stat(known.File)
		if err != nil || found.SHA256 != known.SHA256 || found.Name != known.Name || found.Size != known.Size {
			t.Errorf("%+v, %v", found, err)
		}
		for range 2 {
			if err = again.Remove(known.File); err != nil {
				t.Error(err)
			}
		}
		_, err = again.Open(known.File)
		wantCode(t, err, session.CodeMediaGone)
		_, err = again.Stat(known.File)
		wantCode(t, err, session.CodeMediaGone)
	}
	if left := inside(t, dir); len(left) != 0 {
		t.Errorf("left in the folder: %v", left)
	}
}

func TestAFileThatIsNotWholeLeavesNothing(t *testing.T) {
	folder, dir := newFolder(t, func(o *outgoing.Options) { o.MaxSize = 1000 })
	ended, end := context.WithCancel(t.Context())
	end()
	broken := errors.New("broken off")
	for name, test := range map[string]struct {
		ctx  context.Context
		from io.Reader
		code session.Code
	}{
		"empty":          {t.Context(), strings.NewReader(""), session.CodeInvalidRequest},
		"too large":      {t.Context(), bytes.NewReader(someBytes(1001)), session.CodeMediaTooLarge},
		"broken off":     {t.Context(), io.MultiReader(bytes.NewReader(someBytes(500)), iotest.ErrReader(broken)), session.CodeInternal},
		"nobody waits":   {ended, bytes.NewReader(someBytes(500)), session.CodeTimeout},
		"refused before": {t.Context(), iotest.ErrReader(&session.Error{Code: session.CodeFetchFailed}), session.CodeFetchFailed},
	} {
		_, err := folder.Put(test.ctx, test.from, message.FileHint{})
		if session.CodeOf(err) != test.code || errors.Is(err, broken) != (test.code == session.CodeInternal) {
			t.Errorf("%s: %v", name, err)
		}
		if left := inside(t, dir); len(left) != 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	put(t, folder, someBytes(1000), message.FileHint{}) // exactly the maximum size
}

func TestAllFilesTogetherHaveALimit(t *testing.T) {
	bounded := func(o *outgoing.Options) { o.MaxTotal = 2500 }
	folder, dir := newFolder(t, bounded)
	full := func(folder *outgoing.Folder, size int) {
		t.Helper()
		before := inside(t, dir)
		_, err := folder.Put(t.Context(), bytes.NewReader(someBytes(size)), message.FileHint{})
		wantCode(t, err, session.CodeMediaFull)
		if left := inside(t, dir); len(left) != len(before) {
			t.Errorf("left %v, before %v", left, before)
		}
	}
	first, second := put(t, folder, someBytes(1000), message.FileHint{}), put(t, folder, someBytes(1000), message.FileHint{})
	full(folder, 501)
	// What is not stored takes no room.
	for range 10 {
		if _, err := folder.Put(t.Context(), io.MultiReader(bytes.NewReader(someBytes(400)), iotest.ErrReader(io.ErrUnexpectedEOF)), message.FileHint{}); err == nil {
			t.Fatal("a file that broke off was stored")
		}
	}
	put(t, folder, someBytes(500), message.FileHint{}) // exactly the rest
	full(folder, 1)
	for range 2 { // the second time there is nothing to delete
		if err := folder.Remove(first.File); err != nil {
			t.Fatal(err)
		}
	}
	put(t, folder, someBytes(1000), message.FileHint{})
	full(folder, 1)
	again, err := outgoing.New(outgoing.Options{Dir: dir, MaxTotal: 2500})
	if err != nil {
		t.Fatal(err)
	}
	full(again, 1)
	if n, err := again.Sweep(t.Context(), time.Now().Add(time.Hour), func(context.Context, []string) ([]string, error) { return []string{second.File}, nil }); err != nil || n != 2 {
		t.Fatalf("%d swept, %v", n, err)
	}
	put(t, again, someBytes(1500), message.FileHint{})
	full(again, 1)
}

func TestFilesThatArriveTogetherKeepTheLimit(t *testing.T) {
	folder, dir := newFolder(t, func(o *outgoing.Options) { o.MaxTotal = 100_000 })
	var stored atomic.Int64
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, err := folder.Put(context.Background(), iotest.OneByteReader(bytes.NewReader(someBytes(10_000))), message.FileHint{})
			if err == nil {
				stored.Add(1)
			} else if session.CodeOf(err) != session.CodeMediaFull {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := stored.Load(); n > 10 || int(n)*2 != len(inside(t, dir)) {
		t.Errorf("%d stored, in the folder: %v", n, inside(t, dir))
	}
	for i := stored.Load(); i < 10; i++ {
		put(t, folder, someBytes(10_000), message.FileHint{})
	}
}

func TestNamesLeadNowhereElse(t *testing.T) {
	folder, dir := newFolder(t)
	secret := filepath.Join(filepath.Dir(dir), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	known := put(t, folder, someBytes(10), message.FileHint{})
	for _, file := range []string{"", ".", "..", "../secret", secret, known.File + ".json", strings.ToUpper(known.File), known.File[:30], known.File + "/", "\x00"} {
		_, err := folder.Open(file)
		wantCode(t, err, session.CodeMediaGone)
		_, err = folder.Stat(file)
		wantCode(t, err, session.CodeMediaGone)
		if err = folder.Remove(file); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := os.Stat(secret); err != nil {
		t.Error(err)
	}
	if names := inside(t, dir); len(names) != 2 {
		t.Errorf("in the folder: %v", names)
	}
}

func TestFileNamesAreMadeHarmless(t *testing.T) {
	folder, _ := newFolder(t)
	for name, want := range map[string]string{
		"invoice.pdf": "invoice.pdf", "/etc/passwd": "passwd", `C:\Users\ana\CV.doc`: "CV.doc", "../..": "", ".": "", "": "",
		"a\x00b\nc.txt": "abc.txt", "año 2026.txt": "año 2026.txt", "x/": "", " y ": "y",
	} {
		if known := put(t, folder, someBytes(10), message.FileHint{Name: name}); known.Name != want {
			t.Errorf("%q became %q", name, known.Name)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.String().Draw(rt, "name") + rapid.SampledFrom([]string{"", ".txt", strings.Repeat("é", 200)}).Draw(rt, "ending")
		clean := outgoing.CleanName(name)
		content := message.Content{Kind: message.KindDocument, Media: &message.Media{File: "x", Size: 1, Name: clean}}
		if err := content.Check(); err != nil || outgoing.CleanName(clean) != clean {
			rt.Fatalf("%q became %q: %v", name, clean, err)
		}
	})
}

func TestWhatAnEarlierProcessDidNotFinishIsRemoved(t *testing.T) {
	folder, dir := newFolder(t)
	known := put(t, folder, someBytes(10), message.FileHint{})
	for _, name := range []string{strings.Repeat("0a", 16) + ".part", strings.Repeat("0b", 16) + ".json"} { // killed while writing
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := outgoing.New(outgoing.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if names := inside(t, dir); len(names) != 3 || slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".part") }) {
		t.Errorf("in the folder: %v", names)
	}
	all := func(_ context.Context, files []string) ([]string, error) { return files, nil }
	none := func(context.Context, []string) ([]string, error) { return nil, nil }
	later := time.Now().Add(time.Minute)
	for _, step := range []struct {
		before time.Time
		inUse  func(context.Context, []string) ([]string, error)
		want   int
	}{
		{time.Now().Add(-time.Minute), none, 0}, // too young
		{later, all, 0},                         // needed
		{later, none, 2},
		{later, none, 0},
	} {
		removed, err := again.Sweep(t.Context(), step.before, step.inUse)
		if err != nil || removed != step.want {
			t.Errorf("removed %d, %v; want %d", removed, err, step.want)
		}
	}
	if names := inside(t, dir); len(names) != 0 {
		t.Errorf("in the folder: %v", names)
	}
	_, err = again.Open(known.File)
	wantCode(t, err, session.CodeMediaGone)
}

func TestSweepingLooksAtEveryFileAndKeepsWhatIsUsedAgain(t *testing.T) {
	folder, dir := newFolder(t)
	const files = 450 // more than one batch
	old := time.Now().Add(-time.Hour)
	var kept string
	first := put(t, folder, []byte("x"), message.FileHint{})
	facts, err := os.ReadFile(filepath.Join(dir, first.File+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files { // without Put, which would flush the disk for each file
		kept = first.File
		if i > 0 {
			kept = fmt.Sprintf("%032x", i)
		}
		for name, data := range map[string][]byte{kept: []byte("x"), kept + ".json": facts} {
			if err = errors.Join(os.WriteFile(filepath.Join(dir, name), data, 0o600), os.Chtimes(filepath.Join(dir, name), old, old)); err != nil {
				t.Fatal(err)
			}
		}
	}
	asked := 0
	removed, err := folder.Sweep(t.Context(), time.Now().Add(-time.Minute), func(_ context.Context, list []string) ([]string, error) {
		asked += len(list)
		if slices.Contains(list, kept) { // a request uses the file while inUse is asked about others
			if _, err := folder.Stat(kept); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil || asked != files || removed < files-1 {
		t.Errorf("asked about %d, removed %d, %v", asked, removed, err)
	}
	read(t, folder, kept)
	broken := errors.New("the database is away")
	if err = os.Chtimes(filepath.Join(dir, kept), old, old); err != nil {
		t.Fatal(err)
	}
	if _, err = folder.Sweep(t.Context(), time.Now(), func(context.Context, []string) ([]string, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	read(t, folder, kept)
}

func TestAnUploadIsUsedByMessagesOfTheirOwn(t *testing.T) {
	folder, dir := newFolder(t)
	data := encoded(t, "image/png", picture(20, 10))
	upload := put(t, folder, data, message.FileHint{Name: "cat.png"})
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, upload.File), old, old); err != nil {
		t.Fatal(err)
	}
	var mine []string
	for range 2 {
		own, err := folder.Use(t.Context(), upload.File)
		if err != nil {
			t.Fatal(err)
		}
		want := upload
		want.File = own.File
		if own.File == upload.File || !reflect.DeepEqual(own, want) || !bytes.Equal(read(t, folder, own.File), data) {
			t.Errorf("got %+v of %+v", own, upload)
		}
		if known, err := folder.Stat(own.File); err != nil || !reflect.DeepEqual(known, want) {
			t.Errorf("%+v, %v", known, err)
		}
		mine = append(mine, own.File)
	}
	// A use of an upload extends its time.
	removed, err := folder.Sweep(t.Context(), time.Now().Add(-time.Minute), func(context.Context, []string) ([]string, error) { return nil, nil })
	if err != nil || removed != 0 {
		t.Errorf("removed %d, %v", removed, err)
	}
	for _, file := range []string{mine[0], upload.File} {
		if err = folder.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, folder, mine[1]), data) {
		t.Error("the other message's file changed")
	}
	for _, file := range []string{upload.File, "../x", ""} {
		_, err = folder.Use(t.Context(), file)
		wantCode(t, err, session.CodeMediaGone)
	}
	if names := inside(t, dir); len(names) != 2 {
		t.Errorf("in the folder: %v", names)
	}
}

func TestABadFolderIsNamed(t *testing.T) {
	for field, options := range map[string]outgoing.Options{
		"Dir": {}, "MaxSize": {Dir: t.TempDir(), MaxSize: -1}, "FetchTimeout": {Dir: t.TempDir(), FetchTimeout: -1},
	} {
		_, err := outgoing.New(options)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := outgoing.New(outgoing.Options{Dir: file})
	wantCode(t, err, session.CodeStoreUnavailable)
}
