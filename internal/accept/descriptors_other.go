//go:build !unix

package accept

import "syscall"

// The errors of Windows' accept that mean that no descriptor is left: WSAEMFILE, and none for the whole system.
const (
	noDescriptor         = syscall.Errno(10024)
	noDescriptorAnywhere = syscall.ENFILE
)

// shortages are the errors of accept that pass when something else was closed or freed. The last one is WSAENOBUFS.
var shortages = []syscall.Errno{noDescriptor, noDescriptorAnywhere, syscall.ENOMEM, syscall.Errno(10055)}

// Descriptors returns 0: these systems have no such limit, or do not report it.
func Descriptors() uint64 { return 0 }
