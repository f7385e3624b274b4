package outgoing_test

import (
	"bytes"
	"testing"

	"wasup/internal/media/outgoing"
	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/testtools/disktest"
)

func TestAFullDiskRefusesTheFileAndKeepsNoHalf(t *testing.T) {
	dir := disktest.Small(t, "1m")
	folder, err := outgoing.New(outgoing.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = folder.Put(t.Context(), bytes.NewReader(someBytes(2<<20)), message.FileHint{})
	wantCode(t, err, session.CodeStoreFull)
	if left := inside(t, dir); len(left) != 0 {
		t.Errorf("left on the disk: %v", left)
	}
	small := someBytes(100_000)
	if got := read(t, folder, put(t, folder, small, message.FileHint{}).File); !bytes.Equal(got, small) {
		t.Error("the next file is not whole")
	}
}
