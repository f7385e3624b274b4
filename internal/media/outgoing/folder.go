package outgoing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wasup/internal/media"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Defaults of Options.
const (
	DefaultMaxSize      = 100 << 20
	DefaultFetchTimeout = time.Minute
)

// The suffixes of names in the folder. A complete file has none; its description and incomplete files have one.
const (
	factsSuffix = ".json"
	partSuffix  = ".part"
)

// fetches is the maximum number of files that are fetched at the same time.
const fetches = 16

// Options configures a Folder. Dir is required.
type Options struct {
	Dir          string        // created if missing
	MaxSize      int64         // bytes of one file; default 100 MiB
	MaxTotal     int64         // bytes of all files together; 0: no limit
	FetchTimeout time.Duration // of one fetch, with its redirects; default 1 minute
	AllowPrivate bool          // files may be fetched from private networks and this machine
	Log          *slog.Logger  // nil discards
}

// Folder is a folder of files. Only one process at a time may use it.
type Folder struct {
	dir      string
	maxSize  int64
	maxTotal int64
	held     atomic.Int64 // bytes of all files, also of those that are being written
	timeout  time.Duration
	log      *slog.Logger
	client   *http.Client
	fetching chan struct{}
	drawing  sync.Mutex // held while a picture is decoded: only one at a time, to limit the memory
}

// New opens the folder, or creates it, and deletes the incomplete files of an earlier process. Errors:
// CodeInvalidRequest with the option as Field, CodeStoreUnavailable, CodeStoreFull.
func New(options Options) (*Folder, error) {
	const op = "open folder"
	invalid := func(field, expected string) error {
		return &session.Error{Code: session.CodeInvalidRequest, Op: op, Field: field, Message: field + ": expected " + expected}
	}
	switch {
	case options.Dir == "":
		return nil, invalid("Dir", "a folder")
	case options.MaxSize < 0:
		return nil, invalid("MaxSize", "a positive size, or 0 for 100 MiB")
	case options.MaxTotal < 0:
		return nil, invalid("MaxTotal", "a positive size, or 0 for no limit")
	case options.FetchTimeout < 0:
		return nil, invalid("FetchTimeout", "a positive duration, or 0 for 1m")
	}
	s := &Folder{
		dir: options.Dir, maxSize: options.MaxSize, maxTotal: options.MaxTotal, timeout: options.FetchTimeout, log: options.Log,
		fetching: make(chan struct{}, fetches),
	}
	if s.maxSize == 0 {
		s.maxSize = DefaultMaxSize
	}
	if s.timeout == 0 {
		s.timeout = DefaultFetchTimeout
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.client = newClient(options.AllowPrivate)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, media.DiskError(op, err)
	}
	if err := s.takeOver(); err != nil {
		return nil, media.DiskError(op, err)
	}
	return s, nil
}

// takeOver deletes the incomplete files of an earlier process, and adds up the complete ones.
func (s *Folder) takeOver() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), partSuffix) {
			if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if !media.IsName(entry.Name()) {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			s.held.Add(info.Size())
		}
	}
	return nil
}

// reserve adds n bytes to those that are held. It returns false, and adds nothing, if that would be more than all files
// together may have.
func (s *Folder) reserve(n int64) bool {
	if total := s.held.Add(n); s.maxTotal > 0 && total > s.maxTotal {
		s.held.Add(-n)
		return false
	}
	return true
}

// MaxSize returns the maximum size of a file in bytes.
func (s *Folder) MaxSize() int64 { return s.maxSize }

// Open opens a file for reading. The caller closes it. CodeMediaGone if it is no longer in the folder.
func (s *Folder) Open(file string) (*os.File, error) {
	const op = "open file"
	if !media.IsName(file) {
		return nil, fileGone(op, nil)
	}
	f, err := os.Open(s.path(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fileGone(op, err)
	}
	if err != nil {
		return nil, media.DiskError(op, err)
	}
	return f, nil
}

// Stat returns the description that Put returned. It counts as a use: the file stays as long as a new one.
// CodeMediaGone if it is no longer in the folder.
func (s *Folder) Stat(file string) (message.Media, error) {
	const op = "look up file"
	if !media.IsName(file) {
		return message.Media{}, fileGone(op, nil)
	}
	now := time.Now()
	if err := os.Chtimes(s.path(file), now, now); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return message.Media{}, fileGone(op, err)
		}
		return message.Media{}, media.DiskError(op, err)
	}
	raw, err := os.ReadFile(s.path(file + factsSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return message.Media{}, fileGone(op, err)
	}
	if err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	var stored facts
	if err = json.Unmarshal(raw, &stored); err != nil {
		return message.Media{}, fileGone(op, err)
	}
	known := stored.Media
	known.Cut, known.Unplayable = stored.Cut, stored.Unplayable
	return known, nil
}

// Remove deletes a file. It is no error if there is none.
func (s *Folder) Remove(file string) error {
	if !media.IsName(file) {
		return nil
	}
	// Delete the file first: Sweep deletes a description without a file.
	info, statErr := os.Stat(s.path(file))
	err := os.Remove(s.path(file))
	if err == nil && statErr == nil {
		s.held.Add(-info.Size())
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(s.path(file + factsSuffix))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return media.DiskError("remove file", err)
	}
	return nil
}

// sweepBatch is how many files inUse is asked about at a time.
const sweepBatch = 200

// Sweep deletes the files that were put in, or last used, before a time and that inUse does not list among those it is
// asked about. It says how many it deleted. A file that cannot be deleted does not keep the others.
func (s *Folder) Sweep(ctx context.Context, before time.Time, inUse func(ctx context.Context, files []string) ([]string, error)) (removed int, err error) {
	folder, err := os.Open(s.dir)
	if err != nil {
		return 0, media.DiskError("sweep", err)
	}
	defer func() { _ = folder.Close() }()
	for ctx.Err() == nil {
		entries, _ := folder.ReadDir(sweepBatch) // none: the end, or nothing more can be read now
		if len(entries) == 0 {
			return removed, nil
		}
		old := s.olderThan(entries, before)
		if len(old) == 0 {
			continue
		}
		used, err := inUse(ctx, old)
		if err != nil {
			return removed, fmt.Errorf("ask which files are in use: %w", err)
		}
		needed := make(map[string]bool, len(used))
		for _, file := range used {
			needed[file] = true
		}
		for _, file := range old {
			if needed[file] {
				continue
			}
			if err := s.removeIdle(file, before); err != nil {
				s.log.Warn("a file that nobody needs could not be removed", "op", "sweep", "err", err)
				continue
			}
			removed++
		}
	}
	return removed, ctx.Err()
}

// olderThan lists the files among entries, and also the names of those of which only the facts are left.
func (s *Folder) olderThan(entries []fs.DirEntry, before time.Time) []string {
	var old []string
	for _, entry := range entries {
		name, facts := strings.CutSuffix(entry.Name(), factsSuffix)
		if !media.IsName(name) {
			continue
		}
		if facts {
			if _, err := os.Lstat(s.path(name)); !errors.Is(err, fs.ErrNotExist) {
				continue // goes with its file
			}
		}
		if info, err := entry.Info(); err == nil && info.ModTime().Before(before) {
			old = append(old, name)
		}
	}
	return old
}

// removeIdle looks once more: somebody may have begun to use the file while others were asked.
func (s *Folder) removeIdle(file string, before time.Time) error {
	if info, err := os.Stat(s.path(file)); err == nil && !info.ModTime().Before(before) {
		return nil
	}
	return s.Remove(file)
}

func (s *Folder) path(name string) string { return filepath.Join(s.dir, name) }

func fileGone(op string, err error) error {
	return &session.Error{Code: session.CodeMediaGone, Op: op, Message: "the file is not kept any more: upload it again", Err: err}
}
