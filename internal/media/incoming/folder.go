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

// partsFolder is where files are until they are whole. It is no name of a folder of files.
const partsFolder = "parts"

// Folder is a folder of files under names that somebody else gives out and remembers: 32 lower-case hexadecimal digits,
// the first four of which are two folders. One process at a time may use it. Its methods are safe for concurrent use, each
// name in one hand at a time. Errors: CodeStoreFull, CodeStoreUnavailable.
type Folder struct{ dir string }

// NewFolder opens the folder, which is made where it is missing, and removes what an earlier process was writing when it
// ended.
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

// Begin makes an empty file to be written and then kept or dropped.
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

// Keep closes a file that was begun and gives it its place: it is there whole, or not at all, whatever happens to the
// process or the machine. It says how many bytes it has. After an error nothing is left.
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

// place moves a file to where it stays. Each name on the way is flushed after the thing that it names.
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
		_ = os.Remove(s.path(name)) // what is left is swept
		return err
	}
	return nil
}

// Drop closes and removes a file that was begun.
func (s *Folder) Drop(f *os.File, name string) {
	_ = f.Close() // it may be closed already
	_ = os.Remove(s.part(name))
}

// Open gives a file to be read. The caller closes it. CodeMediaGone where there is none.
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

// Has reports whether a file with so many bytes is there. A disk that does not say is an error.
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

// Remove deletes a file. One that is not there is no error, and neither is one that is being read: its reader comes to its
// end where the system lets names go before files, and else Remove has to be tried again.
func (s *Folder) Remove(name string) error {
	if !media.IsName(name) {
		return nil
	}
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return media.DiskError("remove kept file", err)
	}
	return nil
}

// Walk gives the names of all files, folder by folder.
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
