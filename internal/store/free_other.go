//go:build !linux && !darwin && !freebsd

package store

// FreeBytes is not known on this system.
func (s *Store) FreeBytes() (free uint64, known bool) { return 0, false }
