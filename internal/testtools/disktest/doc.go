// Package disktest provides tests with a disk that is small enough to be filled.
//
// It mounts and unmounts the disk, on Linux, which needs root or user namespaces. It imports nothing of the program.
package disktest
