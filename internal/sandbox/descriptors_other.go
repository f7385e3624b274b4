//go:build !unix

package sandbox

// descriptorLimit returns 0: these systems have no such limit, or do not report it.
func descriptorLimit() uint64 { return 0 }
