//go:build unix

package sandbox

import "syscall"

// descriptorLimit is how many files and connections the process may have open, 0 when the system does not tell.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // it is signed on some systems
}
