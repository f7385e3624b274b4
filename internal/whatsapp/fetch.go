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

// maxFetched bounds a file whose length the message does not say: 2 GB is the largest that WhatsApp takes.
const maxFetched = 2 << 30

// sealing is how much longer an encrypted file may be: padding and authentication code.
const sealing = 16 + 10

// mediaKeys says which of WhatsApp's media keys a kind has; "" are those without a file.
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
		return m.invalidIn(op, "file", "expected where the file is, its key and its hashes")
	}
	limit := file.Length
	if limit <= 0 || limit > maxFetched {
		limit = maxFetched
	}
	bounded := &boundedFile{File: to, left: limit + sealing, limit: limit + sealing}
	err := m.wa.DownloadMediaWithPathToFile(ctx, file.DirectPath, file.EncSHA256, file.FileSHA256, file.Key, keys, "", false, bounded)
	if bounded.failed != nil {
		// whatsmeow tells neither, or takes it for the network's fault.
		err = bounded.failed
	}
	if err == nil {
		_, err = to.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = to.Truncate(0) // half a file is none
		_, _ = to.Seek(0, io.SeekStart)
		return m.fetchError(ctx, op, err)
	}
	return nil
}

var errTooLong = errors.New("the file is longer than its message says")

// boundedFile keeps a server from filling the disk. It is no *os.File to whatsmeow, which would reserve on the disk
// whatever length the server announces.
type boundedFile struct {
	*os.File
	left, limit int64
	failed      error // why it could not be written
}

// errUnwritable ends a download. whatsmeow takes an error of the disk for one of the network, because system calls'
// errors have the same methods, and would download the file four more times; then it forgets it.
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

// Seek begins anew: whatsmeow rewinds the file before it tries another time.
func (f *boundedFile) Seek(offset int64, whence int) (int64, error) {
	f.left = f.limit
	return f.File.Seek(offset, whence)
}

// ReadFrom hides that of *os.File, which would write past Write.
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
		return fail(session.CodeMediaGone, "WhatsApp has the file no longer")
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
