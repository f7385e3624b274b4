package whatsapp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.mau.fi/whatsmeow"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/masking"
)

// Files stores the files of outgoing messages.
type Files interface {
	// Open opens a file for reading. It returns CodeMediaGone if the file no longer exists.
	Open(file string) (*os.File, error)
	// Scratch creates an empty file on the same disk. done deletes it.
	Scratch() (file *os.File, done func(), err error)
}

const (
	// uploadKept is how long an upload is reused. WhatsApp keeps files for weeks, and phones forward them without another
	// upload, too.
	uploadKept = time.Hour
	// uploadsKept bounds the cached uploads, about 500 bytes each.
	uploadsKept = 4096
)

// uploads caches uploads: the same file for many recipients, or for another attempt, needs one upload. Each account has
// its own entries.
type uploads struct {
	cache *lru.Cache[uploadKey, uploaded]
}

type uploadKey struct {
	device string
	sum    string // SHA-256 of the unencrypted file
	keys   whatsmeow.MediaType
}

type uploaded struct {
	response whatsmeow.UploadResponse
	at       time.Time
}

func newUploads() (*uploads, error) {
	cache, err := lru.New[uploadKey, uploaded](uploadsKept)
	return &uploads{cache}, err
}

func (u *uploads) get(key uploadKey) *whatsmeow.UploadResponse {
	found, ok := u.cache.Get(key)
	if !ok || time.Since(found.at) > uploadKept {
		return nil
	}
	return &found.response
}

// upload encrypts a file and uploads it to WhatsApp. It works with two files on the disk and never holds a whole file
// in memory.
func (s *sending) upload(ctx context.Context, kind message.Kind, file *message.Media) (*whatsmeow.UploadResponse, error) {
	if s.files == nil {
		return nil, &session.Error{Code: session.CodeMediaGone, Op: opSend, Session: s.run.Session, Message: "this server stores no files"}
	}
	jid, _ := s.account.addresses()
	key := uploadKey{device: jid.String(), sum: file.SHA256, keys: mediaKeys(kind)}
	if found := s.uploads.get(key); found != nil && key.sum != "" {
		return found, nil
	}
	response, err := s.uploadOnce(ctx, key.keys, file.File)
	if err != nil && ctx.Err() == nil && !isDiskError(err) {
		// The secret for uploads may have expired early, so request a new one once.
		if _, refreshed := internals(s.wa).RefreshMediaConn(ctx, true); refreshed == nil {
			response, err = s.uploadOnce(ctx, key.keys, file.File)
		}
	}
	if err != nil {
		return nil, s.uploadError(ctx, err)
	}
	sum := hex.EncodeToString(response.FileSHA256)
	if key.sum != "" && key.sum != sum {
		return nil, &session.Error{Code: session.CodeMediaGone, Op: opSend, Session: s.run.Session, Message: "the file was changed after it was accepted"}
	}
	key.sum = sum
	s.uploads.cache.Add(key, uploaded{*response, time.Now()})
	return response, nil
}

func (s *sending) uploadOnce(ctx context.Context, keys whatsmeow.MediaType, name string) (*whatsmeow.UploadResponse, error) {
	plain, err := s.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plain.Close() }()
	sealed, done, err := s.files.Scratch()
	if err != nil {
		return nil, err
	}
	defer done()
	response, err := s.wa.UploadReader(ctx, plain, sealed, keys)
	if err != nil {
		return nil, err
	}
	return &response, nil
}

// isDiskError reports whether our own disk failed.
func isDiskError(err error) bool {
	var coded *session.Error
	var path *os.PathError
	return errors.As(err, &coded) || errors.As(err, &path)
}

// uploadError returns the error of a failed upload. Nothing of the message was sent, and another attempt may succeed.
func (s *sending) uploadError(ctx context.Context, err error) error {
	var coded *session.Error
	if errors.As(err, &coded) {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the run ended
		return &session.Error{Code: session.CodeDisconnected, Op: opSend, Session: s.run.Session, Err: err}
	}
	failure := codes.RequestError(opSend, s.run.Session, err)
	status := uploadStatus(err)
	switch {
	case status == http.StatusRequestEntityTooLarge:
		failure = &session.Error{Code: session.CodeMediaTooLarge, Message: "the file is larger than WhatsApp takes"}
	case final4xx(status):
		failure = &session.Error{Code: session.CodeSendFailed, Status: status, Message: fmt.Sprintf("WhatsApp refused the file (HTTP %d)", status)}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		failure = &session.Error{Code: session.CodeStoreFull, Message: "the disk that files are kept on is full"}
	case failure.Code == session.CodeSendFailed, failure.Code == session.CodeInternal:
		failure = &session.Error{Code: session.CodeUploadFailed, Message: "WhatsApp did not take the file"}
	case failure.Code == session.CodeAckOverdue:
		failure = &session.Error{Code: session.CodeUploadFailed, Message: "the upload took too long"}
	}
	failure.Op, failure.Session, failure.Err = opSend, s.run.Session, masking.Error{Err: err}
	return failure
}

// uploadStatus returns the status in whatsmeow's "upload failed with status code 507", or 0.
func uploadStatus(err error) int {
	if text := err.Error(); strings.Contains(text, "upload failed with status code") {
		return codes.StatusIn(text)
	}
	return 0
}

// final4xx reports whether another upload attempt would get the same answer. 401 and 403 concern the secret, which was
// renewed once and may be valid at the next attempt.
func final4xx(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	default:
		return status >= 400 && status < 500
	}
}
