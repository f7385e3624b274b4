//go:build !windows

package media

import (
	"errors"
	"os"
)

// SyncFolder flushes a folder, so that the name of a new file survives a power cut.
func SyncFolder(dir string) (err error) {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}
