package store_test

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"wasup/outbox"
	"wasup/session"
	"wasup/store"
	"wasup/store/pgtest"
)

// smallDisk is a disk of a few megabytes that belongs to the user whom the server runs as.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a disk that is small enough to fill")
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("there is no user postgres to give a disk to")
	}
	dir, err := os.MkdirTemp("", "wasup-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); errors.Is(err, syscall.EPERM) {
		t.Skip("mounting is not permitted here")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	uid, uidErr := strconv.Atoi(owner.Uid)
	gid, gidErr := strconv.Atoi(owner.Gid)
	if err := errors.Join(uidErr, gidErr, os.Chown(dir, uid, gid)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAFullDiskOfThePostgresServerRefusesTheMessageAndRecovers(t *testing.T) {
	pgtest.Needed(t)
	disk := smallDisk(t)
	cluster := pgtest.New(t)
	cluster.Exec(t, "CREATE TABLESPACE small LOCATION '"+disk+"'")
	st := openDSN(t, cluster.Database(t), store.Options{})
	if _, err := st.DB().Exec(t.Context(), "ALTER TABLE wasup_outbox SET TABLESPACE small"); err != nil {
		t.Fatal(err)
	}
	wanted(t, st, "51")
	box := outbox.New(st.Outbox(), &wire{}, outbox.Options{})
	t.Cleanup(func() {
		if err := box.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := box.SendText(t.Context(), text("kept", "hola")); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	if err := fillUp(filler); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	_, err := box.SendText(t.Context(), text("big", incompressible(60_000)))
	if session.CodeOf(err) != session.CodeStoreFull {
		t.Errorf("a message for a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"kept", "big"} {
		if _, err := box.SendText(t.Context(), text(key, "hola")); err != nil {
			t.Errorf("%s, after room was made: %v", key, err)
		}
	}
}

func fillUp(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	return errors.Join(err, file.Close())
}

// incompressible is text that the server cannot store in less room.
func incompressible(size int) string {
	var out strings.Builder
	for state := uint64(88172645463325252); out.Len() < size; {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out.WriteString(strconv.FormatUint(state, 36))
	}
	return out.String()
}
