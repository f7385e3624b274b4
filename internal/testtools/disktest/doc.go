// Package disktest gives tests a disk that is small enough to be filled.
//
// It owns the mounting and the unmounting, on Linux, where it needs root or user namespaces. It may know nothing of any
// room.
package disktest
