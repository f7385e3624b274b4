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
)

// Files keeps the files of outgoing messages.
type Files interface {
	// Open gives a file to be read. CodeMediaGone where it is no longer kept.
	Open(file string) (*os.File, error)
	// Scratch is an empty file on the same disk, until done is called.
	Scratch() (file *os.File, done func(), err error)
}

const (
	// uploadKept is how long a file that was uploaded is not uploaded again. WhatsApp keeps files for weeks; phones
	// forward them, too, without another upload.
	uploadKept = time.Hour
	// uploadsKept bounds what is remembered, about 500 bytes each.
	uploadsKept = 4096
)

// uploads remembers what was uploaded: the same file to many recipients, and a message that is tried again, need one
// upload. Each account has its own.
type uploads struct {
	cache *lru.Cache[uploadKey, uploaded]
}

type uploadKey struct {
	device string
	sum    string // of the plain bytes
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

// upload encrypts a file and hands it to WhatsApp, through two files on the disk and never wholly in memory.
func (s *sending) upload(ctx context.Context, kind message.Kind, file *message.Media) (*whatsmeow.UploadResponse, error) {
	if s.files == nil {
		return nil, &session.Error{Code: session.CodeMediaGone, Op: opSend, Session: s.run.Session, Message: "no files are kept here"}
	}
	jid, _ := s.account.addresses()
	key := uploadKey{device: jid.String(), sum: file.SHA256, keys: mediaKeys(kind)}
	if found := s.uploads.get(key); found != nil && key.sum != "" {
		return found, nil
	}
	response, err := s.uploadOnce(ctx, key.keys, file.File)
	if err != nil && ctx.Err() == nil && !isOurs(err) {
		// The secret that uploads need can have expired before its time; a new one is asked for once.
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

// isOurs recognizes failures of our own disk.
func isOurs(err error) bool {
	var coded *session.Error
	var path *os.PathError
	return errors.As(err, &coded) || errors.As(err, &path)
}

// uploadError gives a failed upload its code. Nothing of the message has left, and trying again may succeed.
func (s *sending) uploadError(ctx context.Context, err error) error {
	var coded *session.Error
	if errors.As(err, &coded) {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the run ended
		return &session.Error{Code: session.CodeDisconnected, Op: opSend, Session: s.run.Session, Err: err}
	}
	failure := classifySend(err)
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
	failure.Op, failure.Session, failure.Err = opSend, s.run.Session, unnamed{err}
	return failure
}

// uploadStatus is the status of whatsmeow's "upload failed with status code 507"; 0 is none.
func uploadStatus(err error) int {
	if text := err.Error(); strings.Contains(text, "upload failed with status code") {
		return statusIn(text)
	}
	return 0
}

// final4xx are the answers to an upload that another attempt gets as well. 401 and 403 are about the secret, which was
// asked for anew once and may be good next time.
func final4xx(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	default:
		return status >= 400 && status < 500
	}
}
