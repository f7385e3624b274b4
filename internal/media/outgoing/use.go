package outgoing

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"wasup/internal/media"
	"wasup/internal/message"
)

// Use makes a copy of a file for one message, if possible as a hard link. The original stays for other messages, as
// long as a new file. Errors: CodeMediaGone if there is no file with this name, CodeStoreFull, CodeStoreUnavailable.
func (s *Folder) Use(ctx context.Context, file string) (message.Media, error) {
	const op = "use file"
	known, err := s.Stat(file)
	if err != nil {
		return message.Media{}, err
	}
	known.File = media.NewName()
	if err = s.writeFacts(known); err == nil {
		err = os.Link(s.path(file), s.path(known.File))
	}
	if err != nil {
		_ = s.Remove(known.File)
		if errors.Is(err, fs.ErrNotExist) {
			return message.Media{}, fileGone(op, err)
		}
		return s.useCopy(ctx, file)
	}
	if err = media.SyncFolder(s.dir); err != nil {
		_ = s.Remove(known.File)
		return message.Media{}, media.DiskError(op, err)
	}
	return known, nil
}

// useCopy is Use for file systems without hard links: it copies the bytes.
func (s *Folder) useCopy(ctx context.Context, file string) (message.Media, error) {
	known, err := s.Stat(file)
	if err != nil {
		return message.Media{}, err
	}
	from, err := s.Open(file)
	if err != nil {
		return message.Media{}, err
	}
	defer func() { _ = from.Close() }()
	return s.Put(ctx, from, message.FileHint{Mime: known.Mime, Name: known.Name})
}

// Scratch creates an empty temporary file on the disk of the folder. done closes and deletes it. If the process is
// killed before, the next one deletes it.
func (s *Folder) Scratch() (file *os.File, done func(), err error) {
	file, err = os.OpenFile(s.path(media.NewName()+partSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, media.DiskError("make scratch file", err)
	}
	return file, func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}, nil
}
