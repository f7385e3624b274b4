package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"wasup/internal/session"
	"wasup/internal/store/filelock"
)

// magic is the start of every SQLite database (https://sqlite.org/fileformat.html, section 1.3).
const magic = "SQLite format 3\x00"

// databaseFile is a SQLite file that is locked for this process until release or abandon.
type databaseFile struct {
	path    string   // absolute, without symbolic links
	lock    *os.File // PATH.lock, locked
	created []string // directories and file that claim created, in order
}

// claim takes the process lock of the file. It creates missing directories (mode 0700) and the file (0600). If it
// fails, it removes what it created.
//
// claim takes the lock before it opens the file: closing any descriptor of a database drops the locks that SQLite holds
// through other descriptors in the same process (https://sqlite.org/howtocorrupt.html, section 2.2).
func claim(path string) (*databaseFile, error) {
	if info, err := os.Stat(path); err == nil {
		switch {
		case info.IsDir():
			return nil, badDSN(nil, "store.dsn: %s is a directory; expected the path of a file", path)
		case !info.Mode().IsRegular():
			return nil, badDSN(nil, "store.dsn: %s is not a regular file", path)
		}
		// Resolve symbolic links, so that two names of one file use one lock.
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			path = resolved
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, claimFailure(path, err)
	}
	f := &databaseFile{path: path}
	if err := f.prepare(); err != nil {
		f.abandon()
		return nil, err
	}
	return f, nil
}

func (f *databaseFile) prepare() error {
	if err := f.makeDirectory(filepath.Dir(f.path)); err != nil {
		return claimFailure(f.path, err)
	}
	// Resolve the links of the directory too, now that it exists.
	if dir, err := filepath.EvalSymlinks(filepath.Dir(f.path)); err == nil {
		f.path = filepath.Join(dir, filepath.Base(f.path))
	}
	lock, err := filelock.Acquire(f.path + ".lock")
	var locked *filelock.HeldError
	switch {
	case errors.As(err, &locked):
		return &session.Error{
			Code: session.CodeStoreLocked, Op: "open database", Err: err,
			Message: fmt.Sprintf("database %s is in use by %s", f.path, locked.By()),
		}
	case err != nil:
		return claimFailure(f.path, err)
	}
	f.lock = lock
	return f.makeFile()
}

// makeDirectory creates the missing directories of a path and adds them to created.
func (f *databaseFile) makeDirectory(dir string) error {
	var missing []string
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return err
		}
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		f.created = append(f.created, dir)
	}
	return nil
}

// makeFile creates the database file. If it exists, makeFile checks that it is a writable SQLite database, or empty.
func (f *databaseFile) makeFile() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.created = append(f.created, f.path)
		if err := file.Close(); err != nil {
			return claimFailure(f.path, err)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return claimFailure(f.path, err)
	}
	file, err = os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return claimFailure(f.path, err)
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(file, head)
	switch {
	case errors.Is(err, io.EOF): // an empty file is a valid new SQLite database
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return claimFailure(f.path, err)
	case string(head[:n]) != magic:
		return badDSN(nil, "store.dsn: %s is not a SQLite database; it was not changed", f.path)
	}
	return nil
}

// unlock frees the lock, so that the next process can open the file.
func (f *databaseFile) unlock() {
	if f.lock != nil {
		filelock.Release(f.lock)
		f.lock = nil
	}
}

// abandon removes the files that claim and SQLite created and frees the lock. Files that existed before stay.
func (f *databaseFile) abandon() {
	if slices.Contains(f.created, f.path) {
		for _, beside := range []string{"-wal", "-shm", "-journal"} {
			_ = os.Remove(f.path + beside)
		}
	}
	for _, path := range slices.Backward(f.created) {
		if path == f.path {
			_ = os.Remove(path)
		}
	}
	// Free the lock after the database is removed, and before the directories are: the lock file is in one of them.
	f.unlock()
	for _, path := range slices.Backward(f.created) {
		if path != f.path {
			_ = os.Remove(path)
		}
	}
	f.created = nil
}

func claimFailure(path string, err error) error {
	e := &session.Error{Code: session.CodeStoreUnavailable, Op: "open database", Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		e.Code = session.CodeStoreFull
		e.Message = fmt.Sprintf("database %s: the disk is full", path)
	case errors.Is(err, syscall.ENOTDIR):
		e.Message = fmt.Sprintf("database %s: a part of its path is a file, not a directory", path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Message = fmt.Sprintf("database %s: the file or its directory is not writable", path)
	default:
		e.Message = fmt.Sprintf("database %s cannot be created or opened", path)
	}
	return e
}
