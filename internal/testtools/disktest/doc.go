// Package disktest gives tests a disk that is small enough to be filled.
//
// It owns the mounting and the unmounting, needs root on Linux and skips the test elsewhere. It may know nothing of any room.
package disktest
