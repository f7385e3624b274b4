//go:build unix

package sandbox

import "syscall"

// descriptorLimit returns the maximum number of open files and connections of the process, 0 if it is unknown.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // the field is signed on some systems
}
