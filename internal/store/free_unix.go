//go:build linux || darwin || freebsd

package store

import (
	"path/filepath"
	"syscall"
)

// FreeBytes returns how many bytes are free for wasup on the file system of the SQLite file. It returns false for
// PostgreSQL, and when the file system does not say it.
func (s *Store) FreeBytes() (free uint64, known bool) {
	var fs syscall.Statfs_t
	if s.postgres() || syscall.Statfs(filepath.Dir(s.name), &fs) != nil {
		return 0, false
	}
	return uint64(max(0, fs.Bavail)) * uint64(fs.Bsize), true //nolint:gosec,unconvert // the types differ between systems
}
