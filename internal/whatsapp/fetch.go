package whatsapp

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"go.mau.fi/whatsmeow"

	"wasup/internal/message"
	"wasup/internal/session"
)

// maxFetched bounds a file whose message does not say its length. 2 GB is the largest file that WhatsApp accepts.
const maxFetched = 2 << 30

// encryptionOverhead is how many bytes an encrypted file may be longer than the file: padding and authentication code.
const encryptionOverhead = 16 + 10

// mediaKeys returns the type of WhatsApp's media keys for a kind of message, or "" for a kind without a file.
func mediaKeys(kind message.Kind) whatsmeow.MediaType {
	switch kind {
	case message.KindImage, message.KindSticker:
		return whatsmeow.MediaImage
	case message.KindVideo:
		return whatsmeow.MediaVideo
	case message.KindAudio, message.KindVoice:
		return whatsmeow.MediaAudio
	case message.KindDocument:
		return whatsmeow.MediaDocument
	default:
		return ""
	}
}

// fetchMedia is Client.FetchMedia.
func (m *messaging) fetchMedia(ctx context.Context, file message.Remote, to *os.File) error {
	const op = "fetch media"
	keys := mediaKeys(file.Kind)
	if keys == "" || file.DirectPath == "" || len(file.Key) == 0 || len(file.EncSHA256) != 32 || len(file.FileSHA256) != 32 {
		return m.invalidIn(op, "file", "expected the file's path, its key and its hashes")
	}
	limit := file.Length
	if limit <= 0 || limit > maxFetched {
		limit = maxFetched
	}
	bounded := &boundedFile{File: to, left: limit + encryptionOverhead, limit: limit + encryptionOverhead}
	err := m.wa.DownloadMediaWithPathToFile(ctx, file.DirectPath, file.EncSHA256, file.FileSHA256, file.Key, keys, "", false, bounded)
	if bounded.failed != nil {
		// whatsmeow does not report this error, or reports it as a network failure
		err = bounded.failed
	}
	if err == nil {
		_, err = to.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = to.Truncate(0) // leave no partial file
		_, _ = to.Seek(0, io.SeekStart)
		return m.fetchError(ctx, op, err)
	}
	return nil
}

var errTooLong = errors.New("the file is longer than its message says")

// boundedFile limits how much a server can write to the disk. whatsmeow must not see an *os.File: it would reserve as
// much disk space as the server announces.
type boundedFile struct {
	*os.File
	left, limit int64
	failed      error // the error of the last failed write
}

// errUnwritable ends a download. whatsmeow takes a disk error for a network error, because errors of system calls have
// the same methods. It would download the file four more times and then lose the error.
var errUnwritable = errors.New("the file could not be written")

func (f *boundedFile) Write(p []byte) (int, error) {
	if int64(len(p)) > f.left {
		return 0, errTooLong
	}
	n, err := f.File.Write(p)
	f.left -= int64(n)
	if err != nil {
		f.failed = err
		return n, errUnwritable
	}
	return n, nil
}

// Seek resets the limit: whatsmeow rewinds the file before it tries again.
func (f *boundedFile) Seek(offset int64, whence int) (int64, error) {
	f.left = f.limit
	return f.File.Seek(offset, whence)
}

// ReadFrom replaces ReadFrom of *os.File, which would bypass Write.
func (f *boundedFile) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{f}, r)
}

func (m *messaging) fetchError(ctx context.Context, op string, err error) error {
	fail := func(code session.Code, msg string) error {
		return &session.Error{Code: code, Op: op, Session: m.run.Session, Message: msg, Err: err}
	}
	switch {
	case errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith403), errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith404),
		errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith410):
		return fail(session.CodeMediaGone, "WhatsApp no longer has the file")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail(session.CodeStoreFull, "")
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return fail(session.CodeStoreUnavailable, "")
	case errors.Is(err, errTooLong), errors.Is(err, whatsmeow.ErrTooShortFile), errors.Is(err, whatsmeow.ErrInvalidMediaHMAC),
		errors.Is(err, whatsmeow.ErrInvalidMediaEncSHA256), errors.Is(err, whatsmeow.ErrInvalidMediaSHA256):
		return fail(session.CodeFetchFailed, "the file is not the one that the message describes")
	}
	var failure *session.Error
	if errors.As(m.failed(ctx, op, err), &failure) && failure.Code != session.CodeSendFailed && failure.Code != session.CodeInternal {
		return failure
	}
	return fail(session.CodeFetchFailed, "the file could not be downloaded from WhatsApp")
}
