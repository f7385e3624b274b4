package app

import (
	"net/http"
	"path/filepath"
	"testing"

	"wasup/internal/store"
	"wasup/internal/testtools/disktest"
)

// diskOutages are the outages that need a disk which can be filled.
func diskOutages() []outage {
	return []outage{{"the disk is full", http.StatusInsufficientStorage, []string{"store_full"}, func(t *testing.T) (string, func(*house, *store.Store) func()) {
		disk := disktest.Small(t, "48m")
		return "sqlite:" + filepath.Join(disk, "wasup.db"), func(*house, *store.Store) func() { return disktest.Fill(t, disk) }
	}}}
}
