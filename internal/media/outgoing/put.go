package outgoing

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"wasup/internal/media"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Put stores a file and returns its description. It writes the bytes straight to the disk. When it has returned,
// neither kill -9 nor a power cut loses the file. After an error nothing is left. Errors: CodeMediaTooLarge,
// CodeMediaFull, CodeStoreFull, CodeStoreUnavailable, CodeTimeout (ctx ended), CodeInvalidRequest for an empty file. An error of the
// reader is returned unchanged.
func (s *Folder) Put(ctx context.Context, from io.Reader, hint message.FileHint) (message.Media, error) {
	const op = "keep file"
	name := media.NewName()
	part, err := os.OpenFile(s.path(name+partSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	kept, source := false, &source{ctx: ctx, from: from, folder: s}
	defer func() {
		_ = part.Close()
		if !kept {
			s.held.Add(-source.reserved)
			_ = os.Remove(part.Name())
			_ = os.Remove(s.path(name + factsSuffix))
		}
	}()
	known := message.Media{File: name}
	if known.Size, known.SHA256, err = s.copy(part, source); err != nil {
		return message.Media{}, err
	}
	if err = part.Sync(); err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	if err = s.inspect(part, hint, &known); err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	if err = s.writeFacts(known); err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	if err = part.Close(); err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	if err = os.Rename(part.Name(), s.path(name)); err != nil {
		return message.Media{}, media.DiskError(op, err)
	}
	if err = media.SyncFolder(s.dir); err != nil {
		_ = s.Remove(name)
		source.reserved = 0 // Remove has given it back
		return message.Media{}, media.DiskError(op, err)
	}
	kept = true
	return known, nil
}

// copy writes a file of at most maxSize bytes, and returns its size and SHA-256.
func (s *Folder) copy(to *os.File, source *source) (size int64, sum string, err error) {
	const op = "keep file"
	hash := sha256.New()
	size, err = io.Copy(io.MultiWriter(to, hash), io.LimitReader(source, s.maxSize+1))
	switch {
	case err == nil && size > s.maxSize:
		return 0, "", tooLarge(op, s.maxSize)
	case source.full:
		return 0, "", &session.Error{Code: session.CodeMediaFull, Op: op}
	case err == nil && size == 0:
		return 0, "", &session.Error{Code: session.CodeInvalidRequest, Op: op, Field: "file", Message: "file: expected at least one byte"}
	case err == nil:
		return size, hex.EncodeToString(hash.Sum(nil)), nil
	case source.err == nil:
		return 0, "", media.DiskError(op, err)
	case source.ended:
		return 0, "", &session.Error{Code: session.CodeTimeout, Op: op, Message: "the file did not come in time", Err: source.err}
	default:
		return 0, "", source.err
	}
}

func tooLarge(op string, limit int64) error {
	return &session.Error{
		Code: session.CodeMediaTooLarge, Op: op, Message: fmt.Sprintf("the file is larger than allowed (%d bytes)", limit),
	}
}

// source reads until ctx ends, or until the folder is full: it reserves the space of what it has read. It keeps the
// reader's error, so that copy can tell it from an error of the disk.
type source struct {
	ctx      context.Context
	from     io.Reader
	folder   *Folder
	reserved int64
	err      error
	ended    bool // err is that of ctx
	full     bool // the folder has no room for what was read last
}

var errFull = errors.New("all files together have reached their limit")

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		s.ended = true
		return 0, s.err
	}
	n, err := s.from.Read(p)
	if !s.folder.reserve(int64(n)) {
		s.full, s.err = true, errFull
		return 0, errFull
	}
	s.reserved += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// facts is the stored description of a file. Cut and Unplayable are stored but not shown.
type facts struct {
	message.Media
	Cut        bool `json:"cut,omitempty"`
	Unplayable bool `json:"unplayable,omitempty"`
}

// writeFacts writes the description of a file next to it, before the file gets its name.
func (s *Folder) writeFacts(known message.Media) (err error) {
	raw, err := json.Marshal(facts{known, known.Cut, known.Unplayable})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(known.File+factsSuffix), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err = f.Write(raw); err != nil {
		return err
	}
	return f.Sync()
}

// cleanName returns the last part of a path, without characters that a phone could not show or store.
func cleanName(name string) string {
	const limit = 255
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) { // the last could hide the extension
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if len(name) > limit { // keep the extension
		ending := filepath.Ext(name)
		if len(ending) > 20 {
			ending = ""
		}
		name = strings.ToValidUTF8(name[:limit-len(ending)], "") + ending
	}
	if strings.Trim(name, ".") == "" {
		return ""
	}
	return name
}

// inspect fills in the description of a file from its bytes. Only a read error is an error, because a file may contain
// anything.
func (s *Folder) inspect(f *os.File, hint message.FileHint, known *message.Media) error {
	known.Name = cleanName(hint.Name)
	read := func(do func(io.ReadSeeker) error) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return do(f)
	}
	if err := read(func(r io.ReadSeeker) (err error) {
		known.Mime, err = typeOf(r, hint.Mime)
		return err
	}); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(known.Mime, "image/"):
		return read(func(r io.ReadSeeker) error { return s.inspectPicture(r, known) })
	case strings.HasSuffix(known.Mime, "/ogg"):
		return read(func(r io.ReadSeeker) error {
			if voice, ok := readVoice(bufio.NewReader(r)); ok {
				known.Mime, known.Seconds, known.Waveform = message.MimeVoice, voice.seconds, voice.waveform
				return nil
			}
			s.inspectRecording(f, known)
			return nil
		})
	case strings.HasPrefix(known.Mime, "video/"), strings.HasPrefix(known.Mime, "audio/"):
		s.inspectRecording(f, known)
		return nil
	default:
		return nil
	}
}
