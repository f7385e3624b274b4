package outgoing

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"wasup/internal/media"
	"wasup/internal/message"
)

// Use gives a file another name, for one message to own. The file it came from stays for other messages, for as long as
// a new one would. Errors: CodeMediaGone where there is no file of this name, whatever the name is, and those of a disk.
func (s *Spool) Use(ctx context.Context, file string) (message.Media, error) {
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
			return message.Media{}, gone(op, err)
		}
		return s.again(ctx, file)
	}
	if err = media.SyncFolder(s.dir); err != nil {
		_ = s.Remove(known.File)
		return message.Media{}, media.DiskError(op, err)
	}
	return known, nil
}

// again is Use where a file cannot have two names: some file systems have no links.
func (s *Spool) again(ctx context.Context, file string) (message.Media, error) {
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

// Scratch is an empty file for what is not to be kept, on the disk that has room for files. done closes and removes it;
// a process that ends before leaves it to the next one.
func (s *Spool) Scratch() (file *os.File, done func(), err error) {
	file, err = os.OpenFile(s.path(media.NewName()+partSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, media.DiskError("make scratch file", err)
	}
	return file, func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}, nil
}
