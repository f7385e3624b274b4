package incoming

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"wasup/internal/media"
	"wasup/internal/session"
)

// partsFolder is the folder of incomplete files. No folder of complete files can have this name.
const partsFolder = "parts"

// Folder is a folder of files. The caller chooses and stores their names: 32 lower-case hexadecimal digits, of which
// the first four make two levels of subfolders. Only one process at a time may use the folder. The methods are safe for
// concurrent use with different names. Errors: CodeStoreFull, CodeStoreUnavailable.
type Folder struct{ dir string }

// NewFolder opens the folder, or creates it. It deletes the incomplete files of an earlier process.
func NewFolder(dir string) (*Folder, error) {
	const op = "open folder"
	s := &Folder{dir: dir}
	if err := os.RemoveAll(filepath.Join(dir, partsFolder)); err != nil {
		return nil, media.DiskError(op, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, partsFolder), 0o700); err != nil {
		return nil, media.DiskError(op, err)
	}
	return s, nil
}

// Begin creates an empty temporary file. The caller writes it and then calls Keep or Drop.
func (s *Folder) Begin(name string) (*os.File, error) {
	const op = "begin file"
	if !media.IsName(name) {
		return nil, &session.Error{Code: session.CodeInternal, Op: op, Err: errors.New("not the name of a file")}
	}
	f, err := os.OpenFile(s.part(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, media.DiskError(op, err)
	}
	return f, nil
}

// Keep closes a file from Begin, moves it to its permanent place and returns its size in bytes. After a crash of the
// process or the machine, the file is there completely or not at all. After an error nothing is left.
func (s *Folder) Keep(f *os.File, name string) (size int64, err error) {
	info, err := f.Stat()
	if err == nil {
		size, err = info.Size(), f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = s.place(name)
	}
	if err != nil {
		s.Drop(f, name)
		return 0, media.DiskError("keep file", err)
	}
	return size, nil
}

// place moves a file to its permanent place. It flushes each folder after a change of it.
func (s *Folder) place(name string) error {
	outer, inner := filepath.Join(s.dir, name[:2]), filepath.Join(s.dir, name[:2], name[2:4])
	for _, folder := range []string{outer, inner} {
		err := os.Mkdir(folder, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = media.SyncFolder(filepath.Dir(folder))
		}
		if err != nil {
			return err
		}
	}
	if err := os.Rename(s.part(name), s.path(name)); err != nil {
		return err
	}
	if err := media.SyncFolder(inner); err != nil {
		_ = os.Remove(s.path(name)) // if this fails, the next start deletes the file
		return err
	}
	return nil
}

// Drop closes and deletes a file from Begin.
func (s *Folder) Drop(f *os.File, name string) {
	_ = f.Close() // the file may be closed already
	_ = os.Remove(s.part(name))
}

// Open opens a file for reading. The caller closes it. CodeMediaGone if there is none.
func (s *Folder) Open(name string) (*os.File, error) {
	const op = "open kept file"
	if !media.IsName(name) {
		return nil, absent(op, nil)
	}
	f, err := os.Open(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent(op, err)
	}
	if err != nil {
		return nil, media.DiskError(op, err)
	}
	return f, nil
}

func absent(op string, err error) error {
	return &session.Error{Code: session.CodeMediaGone, Op: op, Message: "the file is not on the disk", Err: err}
}

// Has reports whether there is a file with exactly size bytes. It returns an error if the disk does not tell.
func (s *Folder) Has(name string, size int64) (bool, error) {
	if !media.IsName(name) {
		return false, nil
	}
	info, err := os.Stat(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, media.DiskError("look up kept file", err)
	}
	return info.Mode().IsRegular() && info.Size() == size, nil
}

// Remove deletes a file. It is no error if there is none. On Unix a reader can read a deleted file to its end. Where
// the system does not allow to delete an open file, Remove fails and has to be repeated.
func (s *Folder) Remove(name string) error {
	if !media.IsName(name) {
		return nil
	}
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return media.DiskError("remove kept file", err)
	}
	return nil
}

// Walk calls each with the names of all files, once for each folder.
func (s *Folder) Walk(ctx context.Context, each func(ctx context.Context, names []string) error) error {
	const op = "list kept files"
	inner, err := filepath.Glob(filepath.Join(s.dir, "[0-9a-f][0-9a-f]", "[0-9a-f][0-9a-f]"))
	if err != nil {
		return media.DiskError(op, err)
	}
	for _, folder := range inner {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return media.DiskError(op, err)
		}
		var names []string
		for _, entry := range entries {
			if media.IsName(entry.Name()) {
				names = append(names, entry.Name())
			}
		}
		if len(names) == 0 {
			continue
		}
		if err := each(ctx, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *Folder) part(name string) string { return filepath.Join(s.dir, partsFolder, name) }

func (s *Folder) path(name string) string { return filepath.Join(s.dir, name[:2], name[2:4], name) }
