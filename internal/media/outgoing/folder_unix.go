//go:build !windows

package outgoing

import (
	"errors"
	"os"
)

// syncFolder makes the name of a new file survive a power cut.
func syncFolder(dir string) (err error) {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}
