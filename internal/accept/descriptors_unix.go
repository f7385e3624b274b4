//go:build unix

package accept

import "syscall"

// The errors of accept that mean that no descriptor is left.
const (
	noDescriptor         = syscall.EMFILE
	noDescriptorAnywhere = syscall.ENFILE
)

// shortages are the errors of accept that pass when something else was closed or freed.
var shortages = []syscall.Errno{noDescriptor, noDescriptorAnywhere, syscall.ENOBUFS, syscall.ENOMEM}

// Descriptors returns the maximum number of open files and connections of the process, 0 if it is unknown.
func Descriptors() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // the field is signed on some systems
}
