// Package disktest provides tests with a disk that is small enough to be filled.
//
// It mounts and unmounts the disk, which needs root on Linux; elsewhere it skips the test. It imports nothing of the
// program.
package disktest
