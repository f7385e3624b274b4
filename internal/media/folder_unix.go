//go:build !windows

package media

import (
	"errors"
	"os"
)

// SyncFolder makes the name of a new file survive a power cut.
func SyncFolder(dir string) (err error) {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}
