package incoming_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/message"
	"wasup/internal/session"
)

func TestFilesAreKeptAsTheyCome(t *testing.T) {
	w := newWorld(t)
	w.come("51", "before the start", 5000, message.KindImage)
	w.begin()
	w.come("51", "after it", 1, message.KindVideo)
	w.come("52", "of another one", 300_000, message.KindDocument)
	for id, names := range map[session.ID][]string{"51": {"before the start", "after it"}, "52": {"of another one"}} {
		for _, name := range names {
			w.becomes(id, name, incoming.Kept)
		}
	}
	if content, state := w.read("52", "after it"); content != nil || state != "" {
		t.Errorf("another session has it: %d bytes, %q", len(content), state)
	}
	until(t, "counted", func() bool {
		return w.downloader.Stats() == incoming.Stats{Usage: incoming.Usage{Files: 3, Bytes: 305_001}}
	})
	w.stop()
	w.begin()
	w.becomes("51", "after it", incoming.Kept)
	if n := len(w.onDisk()); n != 3 || w.tried("51", "after it") != 1 {
		t.Errorf("%d files are on the disk, one was fetched %d times", n, w.tried("51", "after it"))
	}
}

func TestWhatCouldNotBeFetchedIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	var down atomic.Bool
	down.Store(true)
	w.before(func(context.Context, session.ID, message.Remote) error {
		if down.Load() {
			return fail(session.CodeFetchFailed)
		}
		return nil
	})
	w.begin()
	w.come("51", "a", 1000, message.KindImage)
	until(t, "some attempts", func() bool { return w.tried("51", "a") > 3 })
	w.becomes("51", "a", incoming.Waiting)
	w.stop()
	if left := w.onDisk(); len(left) > 0 {
		t.Errorf("of failed attempts is left %q", left)
	}
	w.begin()
	until(t, "attempts of the next process", func() bool { return w.tried("51", "a") > 6 })
	down.Store(false)
	w.becomes("51", "a", incoming.Kept)
}

func TestWhatWillNeverComeIsGivenUp(t *testing.T) {
	w := newWorld(t, func(o *incoming.Options) { o.MaxAttempts = 3 })
	w.before(func(_ context.Context, _ session.ID, file message.Remote) error {
		switch file.ID {
		case "gone":
			return fail(session.CodeMediaGone)
		case "bad":
			return fail(session.CodeFetchFailed)
		}
		return nil
	})
	w.begin()
	w.come("51", "gone", 10, message.KindImage)
	w.come("51", "bad", 10, message.KindImage)
	w.come("51", "good", 10, message.KindImage)
	w.becomes("51", "gone", incoming.Failed)
	w.becomes("51", "bad", incoming.Failed)
	w.becomes("51", "good", incoming.Kept)
	if gone, bad := w.tried("51", "gone"), w.tried("51", "bad"); gone != 1 || bad != 3 {
		t.Errorf("tried %d and %d times", gone, bad)
	}
}

func TestASessionThatIsAwayGetsItsFilesWhenItIsBack(t *testing.T) {
	w := newWorld(t)
	w.set("51", false)
	w.begin()
	w.come("51", "a", 10, message.KindImage)
	w.come("52", "a", 10, message.KindImage)
	w.becomes("52", "a", incoming.Kept)
	w.becomes("51", "a", incoming.Waiting)
	if w.tried("51", "a") != 0 {
		t.Error("it was fetched without a connection")
	}
	// The connection is lost during the download, which does not count as an attempt.
	w.before(func(_ context.Context, id session.ID, _ message.Remote) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.fetched) == 2 {
			return fail(session.CodeDisconnected)
		}
		return nil
	})
	w.set("51", true)
	until(t, "the lost attempt", func() bool { return w.tried("51", "a") == 1 })
	until(t, "the next one", func() bool { w.set("51", true); return w.tried("51", "a") == 2 })
	w.becomes("51", "a", incoming.Kept)
}

func TestSessionsWhoseFilesHangDelayNoOther(t *testing.T) {
	w := newWorld(t, func(o *incoming.Options) { o.Workers, o.Slow = 2, time.Millisecond })
	w.before(func(ctx context.Context, id session.ID, _ message.Remote) error {
		if strings.HasPrefix(string(id), "dead") {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	w.begin()
	for n := range 6 {
		for m := range 3 {
			w.come(session.ID(fmt.Sprintf("dead-%d", n)), fmt.Sprint(m), 10, message.KindImage)
		}
	}
	until(t, "all of them hang", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.fetched) == 6 // one of each
	})
	for n := range 20 {
		w.come("alive", fmt.Sprint(n), 10, message.KindImage)
	}
	for n := range 20 {
		w.becomes("alive", fmt.Sprint(n), incoming.Kept)
	}
	w.stop() // ends downloads that hang
	if left := w.onDisk(); len(left) != 20 {
		t.Errorf("%d files are on the disk", len(left))
	}
}

func TestAFetchThatStallsIsTriedAgain(t *testing.T) {
	w := newWorld(t, func(o *incoming.Options) { o.Stall = 10 * time.Millisecond })
	w.before(func(ctx context.Context, _ session.ID, _ message.Remote) error {
		if w.tried("51", "a") > 2 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	w.begin()
	w.come("51", "a", 10, message.KindImage)
	w.becomes("51", "a", incoming.Kept)
	if n := w.tried("51", "a"); n != 3 {
		t.Errorf("tried %d times", n)
	}
}

func TestWhatIsTooLargeOrNotWantedIsNotFetched(t *testing.T) {
	w := newWorld(t, func(o *incoming.Options) {
		o.MaxFile, o.Kinds = 1000, []message.Kind{message.KindImage, message.KindVoice}
	})
	w.begin()
	w.come("51", "large", 1001, message.KindImage)
	w.come("51", "film", 10, message.KindVideo)
	w.come("51", "voice", 1000, message.KindVoice)
	w.becomes("51", "large", incoming.TooLarge)
	w.becomes("51", "film", incoming.Unwanted)
	w.becomes("51", "voice", incoming.Kept)
	if w.tried("51", "large")+w.tried("51", "film") > 0 {
		t.Error("it was fetched")
	}
}

func TestTheOldestMakeRoomForTheNewest(t *testing.T) {
	w := newWorld(t, func(o *incoming.Options) { o.MaxTotal = 1000 })
	w.begin()
	for n := range 8 {
		w.come(session.ID(fmt.Sprint("s", n%3)), fmt.Sprint(n), 300, message.KindImage)
		w.becomes(session.ID(fmt.Sprint("s", n%3)), fmt.Sprint(n), incoming.Kept)
		var bytes int64
		for _, path := range w.onDisk() {
			if info, err := os.Stat(path); err == nil {
				bytes += info.Size()
			}
		}
		if bytes > 1000 {
			t.Fatalf("%d bytes are on the disk", bytes)
		}
	}
	for n := range 5 {
		w.becomes(session.ID(fmt.Sprint("s", n%3)), fmt.Sprint(n), "")
	}
	for n := 5; n < 8; n++ {
		w.becomes(session.ID(fmt.Sprint("s", n%3)), fmt.Sprint(n), incoming.Kept)
	}
	w.come("s0", "larger than everything", 1001, message.KindImage)
	w.becomes("s0", "larger than everything", incoming.TooLarge)
	// The limit is lower from now on.
	w.stop()
	w.options.MaxTotal = 300
	w.begin()
	w.becomes("s2", "5", "")
	w.becomes("s0", "6", "")
	w.becomes("s1", "7", incoming.Kept)
	until(t, "one is left", func() bool { return len(w.onDisk()) == 1 })
}

func TestFilesGoWithAgeLogAndSession(t *testing.T) {
	var later atomic.Int64
	w := newWorld(t, func(o *incoming.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	w.begin()
	for _, name := range []string{"a", "b", "c"} {
		w.come("51", name, 10, message.KindImage)
		w.becomes("51", name, incoming.Kept)
	}
	w.come("52", "d", 10, message.KindImage)
	w.becomes("52", "d", incoming.Kept)
	if _, _, err := w.store.Events().Prune(t.Context(), events.Cut{Keep: 3}, 10); err != nil {
		t.Fatal(err)
	}
	w.becomes("51", "a", "")
	until(t, "its file is gone", func() bool { return len(w.onDisk()) == 3 })
	if err := w.store.Sessions().Delete(t.Context(), "51"); err != nil {
		t.Fatal(err)
	}
	w.downloader.SessionRemoved("51")
	until(t, "the session's files are gone", func() bool { return len(w.onDisk()) == 1 })
	w.becomes("52", "d", incoming.Kept)
	later.Store(int64(2 * time.Hour))
	w.becomes("52", "d", "")
	until(t, "nothing is left", func() bool { return len(w.onDisk()) == 0 })
	if left, err := w.store.Kept().Gone(t.Context(), 10); err != nil || len(left) > 0 {
		until(t, "nor known", func() bool { left, err = w.store.Kept().Gone(t.Context(), 10); return err == nil && len(left) == 0 })
	}
}

func TestADiskThatIsFullIsToldOnceAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	disk := &narrow{}
	disk.full.Store(true)
	w.disk = func(s *incoming.Folder) incoming.Store { disk.Folder = s; return disk }
	w.begin()
	w.come("51", "a", 10, message.KindImage)
	w.come("52", "a", 10, message.KindImage)
	until(t, "refused some times", func() bool { return disk.refused.Load() > 5 })
	if !w.downloader.Stats().Paused {
		t.Error("it does not say that it waits")
	}
	w.becomes("51", "a", incoming.Waiting)
	disk.full.Store(false)
	w.becomes("51", "a", incoming.Kept)
	w.becomes("52", "a", incoming.Kept)
	until(t, "it does not say any more that it waits", func() bool { return !w.downloader.Stats().Paused })
	w.stop()
	if n := strings.Count(w.log.String(), "are not kept for now"); n != 1 || !w.logged("are kept again") {
		t.Errorf("told %d times:\n%s", n, w.log)
	}
}

// narrow is a disk without room.
type narrow struct {
	*incoming.Folder
	full    atomic.Bool
	refused atomic.Int64
}

func (n *narrow) Keep(f *os.File, name string) (int64, error) {
	if n.full.Load() {
		n.refused.Add(1)
		n.Drop(f, name)
		return 0, fail(session.CodeStoreFull)
	}
	return n.Folder.Keep(f, name)
}

func TestAStartSetsTheDiskRight(t *testing.T) {
	w := newWorld(t)
	w.begin()
	for _, name := range []string{"whole", "lost", "short"} {
		w.come("51", name, 1000, message.KindImage)
		w.becomes("51", name, incoming.Kept)
	}
	path := func(name string) string {
		entry, err := w.store.Kept().Find(t.Context(), "51", name)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(w.kept(), entry.File[:2], entry.File[2:4], entry.File)
	}
	lost, short := path("lost"), path("short")
	// A request for a file that somebody deleted leads to another download.
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if _, state := w.read("51", "lost"); state != incoming.Waiting {
		t.Errorf("a file that was removed is %q", state)
	}
	w.becomes("51", "lost", incoming.Kept)
	w.stop()
	stray := filepath.Join(w.kept(), "ab", "cd", "abcd"+strings.Repeat("0", 28))
	for _, err := range []error{
		os.Remove(lost), os.Truncate(short, 999), os.MkdirAll(filepath.Dir(stray), 0o700), os.WriteFile(stray, []byte("x"), 0o600),
		os.WriteFile(filepath.Join(w.kept(), "parts", "half"), []byte("x"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.begin()
	until(t, "what is missing came again", func() bool { return w.tried("51", "lost") == 3 && w.tried("51", "short") == 2 })
	for _, name := range []string{"whole", "lost", "short"} {
		w.becomes("51", name, incoming.Kept)
	}
	if n := len(w.onDisk()); n != 3 || w.tried("51", "whole") != 1 {
		t.Errorf("%d files are on the disk: %q", n, w.onDisk())
	}
}

func TestWithoutKeepingWhatWasKeptIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.come("51", "a", 1000, message.KindImage)
	w.becomes("51", "a", incoming.Kept)
	w.stop()
	w.options.Age = 0
	w.begin()
	until(t, "nothing is left", func() bool { return len(w.onDisk()) == 0 })
	w.becomes("51", "a", "")
	w.come("51", "b", 1000, message.KindImage)
	w.downloader.SessionChanged("51", session.Ready, session.CauseConnected)
	w.stop()
	if w.tried("51", "b") != 0 {
		t.Error("it was fetched")
	}
}

func TestStoppingIsLegalAtAnyTime(t *testing.T) {
	w := newWorld(t)
	k := incoming.New(w.store.Kept(), w, nil, w.options)
	for range 2 {
		if err := k.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := k.Start(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	k.Arrived("51")
	k.SessionRemoved("51")
}
