// Package filelock keeps a second process away from a database file. It knows nothing of databases.
package filelock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// HeldError says that another process, or another Open of this process, has the lock.
type HeldError struct{ PID int } // 0: unknown

func (e *HeldError) Error() string { return "the lock is held by " + e.By() }

// By says who has the lock, for people.
func (e *HeldError) By() string {
	switch e.PID {
	case 0:
		return "another process"
	case os.Getpid():
		return fmt.Sprintf("this process already (pid %d)", e.PID)
	default:
		return fmt.Sprintf("another process (pid %d)", e.PID)
	}
}

// writePID writes this process's id into the lock file, for the error message of the next process. Its errors are
// ignored: the id is not the lock, and the message only lacks the number then.
func writePID(lock *os.File) {
	if lock.Truncate(0) == nil {
		_, _ = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

func readPID(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
