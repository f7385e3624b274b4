package media_test

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"wasup/media"
	"wasup/session"
)

func TestAFullDiskRefusesTheFileAndKeepsNoHalf(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a disk that is small enough to fill")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); errors.Is(err, syscall.EPERM) {
		t.Skip("mounting is not permitted here")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	spool, err := media.New(media.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = spool.Put(t.Context(), bytes.NewReader(someBytes(2<<20)), session.FileHint{})
	wantCode(t, err, session.CodeStoreFull)
	if left := inside(t, dir); len(left) != 0 {
		t.Errorf("left on the disk: %v", left)
	}
	small := someBytes(100_000)
	if got := read(t, spool, put(t, spool, small, session.FileHint{}).File); !bytes.Equal(got, small) {
		t.Error("the next file is not whole")
	}
}
