//go:build !unix

package sandbox

// descriptorLimit is 0: these systems have no such limit, or do not tell.
func descriptorLimit() uint64 { return 0 }
