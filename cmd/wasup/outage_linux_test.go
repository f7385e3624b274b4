package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"wasup/store"
)

// diskOutages need a disk that can be filled.
func diskOutages() []outage {
	return []outage{{"the disk is full", http.StatusInsufficientStorage, []string{"store_full"}, func(t *testing.T) (string, func(*house, *store.Store) func()) {
		if os.Geteuid() != 0 {
			t.Skip("only root can mount a disk that is small enough to fill")
		}
		disk := t.TempDir()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=48m"); errors.Is(err, syscall.EPERM) {
			t.Skip("mounting is not permitted here")
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(disk, 0); err != nil {
				t.Error(err)
			}
		})
		filler := filepath.Join(disk, "filler")
		return "sqlite:" + filepath.Join(disk, "wasup.db"), func(*house, *store.Store) func() {
			if err := fill(filler); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("the disk is not full: %v", err)
			}
			return func() {
				if err := os.Remove(filler); err != nil {
					t.Error(err)
				}
			}
		}
	}}}
}

func fill(path string) error {
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
