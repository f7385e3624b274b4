// Package media stores the encrypted files that clients upload, and serves them.
//
// It knows neither the keys nor the content of the files.
package media

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"wasup/internal/sandbox/stanza"
)

// Errors of files.
var (
	ErrUnknown  = errors.New("no such file")
	ErrGone     = errors.New("the file was removed from the server")
	ErrTooLarge = errors.New("the file is too large")
	ErrBadCode  = errors.New("invalid status for a removed file: expected 403, 404 or 410")
)

const (
	// mediaTTL is how long clients may use an answer to media_conn, mediaAuthTTL how long the secret in it is valid.
	mediaTTL     = 5 * time.Minute
	mediaAuthTTL = 6 * time.Hour
	// Path is the path prefix of downloads. It looks like WhatsApp's.
	Path = "/v/t62.7118-24/"
	// maxMediaFiles bounds how many files are stored, whatever their size.
	maxMediaFiles = 100_000
	// minMediaFile is the smallest size of an encrypted file: one cipher block and the MAC.
	minMediaFile = 26
)

// mediaTypes lists the types that an upload may name in its path (whatsmeow download.go, mediaTypeToMMSType, and
// the names that other clients use).
var mediaTypes = []string{
	"image", "video", "audio", "ptt", "document", "sticker", "sticker-pack", "gif", "ptv",
	"md-msg-hist", "md-app-state", "thumbnail-link", "thumbnail-image", "thumbnail-video", "thumbnail-document",
}

// File is an uploaded file. The server knows neither its key nor its content.
type File struct {
	// ID is the file's name in its path.
	ID string `json:"id"`
	// Type is the type that it was uploaded as: image, video, audio, document and so on.
	Type string `json:"type"`
	// Account is the phone number of the uploader.
	Account string `json:"account"`
	// Size is the size of the encrypted file in bytes.
	Size int `json:"size"`
	// DirectPath is the path and query in messages.
	DirectPath string    `json:"direct_path"`
	Uploaded   time.Time `json:"uploaded"`
	// Downloads counts how often the file was downloaded, in whole or in part.
	Downloads int `json:"downloads"`
	// Gone is the HTTP status that downloads get instead of the file. 0 means that the file can be downloaded.
	Gone int `json:"gone,omitempty"`
	// Lost says that phones do not have the file any more either.
	Lost bool `json:"lost,omitempty"`
}

type Stored struct {
	File
	data []byte // nil if the file is in the store's folder
	sum  [32]byte
	// shown says that a profile or a group shows the file as its picture. Such files are removed last.
	shown bool
}

// Store holds encrypted files, in memory or in a folder if the server stores its state. When the limits are exceeded it
// removes the oldest files.
type Store struct {
	secret [32]byte
	// maxFile bounds one file and maxTotal all files, in bytes.
	maxFile, maxTotal int64
	maxAge            time.Duration
	folder            string // "" means in memory
	log               *slog.Logger
	// Host returns the host:port that clients are told.
	Host func() string

	mu    sync.Mutex
	files map[string]*Stored
	order []*Stored
	total int64
}

// Limits are the limits of a store: the bytes of one file, the bytes of all files, and the age of a file.
type Limits struct {
	File, Total int64
	Age         time.Duration
}

// NewStore returns a store without files. host returns the host:port that clients are told.
func NewStore(limits Limits, log *slog.Logger, host func() string) *Store {
	m := &Store{
		maxFile: limits.File, maxTotal: limits.Total, maxAge: limits.Age, log: log, Host: host,
		files: make(map[string]*Stored),
	}
	_, _ = rand.Read(m.secret[:])
	return m
}

// auth returns the secret that lets an account upload until a time. The account's number and the time are part of the
// secret.
func (m *Store) auth(number string, until time.Time) string {
	body := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	body = append(body, number...)
	return base64.RawURLEncoding.EncodeToString(append(m.sign(body), body...))
}

func (m *Store) sign(body []byte) []byte {
	mac := hmac.New(sha256.New, m.secret[:])
	mac.Write(body)
	return mac.Sum(nil)[:16]
}

// authorised returns the account of a secret. ok is false if the secret is invalid or has expired.
func (m *Store) authorised(secret string, now time.Time) (number string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil || len(raw) < 24 || !hmac.Equal(raw[:16], m.sign(raw[16:])) {
		return "", false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(raw[16:24])), 0)
	return string(raw[24:]), now.Before(until)
}

// Put stores a file, and removes the oldest files if the limits are exceeded. It fails with ErrTooLarge.
func (m *Store) Put(account, kind string, data []byte) (File, error) {
	if int64(len(data)) > m.maxFile {
		return File{}, fmt.Errorf("%w: %d bytes, expected at most %d", ErrTooLarge, len(data), m.maxFile)
	}
	sum := sha256.Sum256(data)
	id := newMediaID()
	file := &Stored{
		File: File{
			ID: id, Type: kind, Account: account, Size: len(data), Uploaded: time.Now(),
			DirectPath: Path + id + ".enc?ccb=11-4&oh=" + stanza.UpperHex(sum[:8]) + "&oe=" + strconv.FormatInt(time.Now().Add(14*24*time.Hour).Unix(), 16),
		},
		data: data, sum: sum,
	}
	if m.folder != "" {
		// Write before the uploader gets an answer, so that a killed server still has the file.
		if err := m.write(file, data); err != nil {
			return File{}, err
		}
		file.data = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enter(file)
	m.enforceLimits(time.Now())
	return file.File, nil
}

// enter adds a file to the list. The caller holds the lock.
func (m *Store) enter(file *Stored) {
	m.files[file.ID] = file
	m.order = append(m.order, file)
	m.total += file.storedSize()
}

// storedSize returns how many bytes of the file are stored. A file that is gone from the server is still stored as long
// as phones have it.
func (f *File) storedSize() int64 {
	if f.Lost {
		return 0
	}
	return int64(f.Size)
}

// enforceLimits removes files that are too old, and the oldest files while there are too many or too many bytes.
// Pictures that are shown are removed only for lack of room, and last. The newest file always stays. The caller holds
// the lock.
func (m *Store) enforceLimits(now time.Time) {
	m.order = slices.DeleteFunc(m.order, func(file *Stored) bool {
		old := !file.shown && m.tooOld(file, now)
		if old {
			m.forget(file)
		}
		return old
	})
	if len(m.order) == 0 {
		return
	}
	newest := m.order[len(m.order)-1]
	for _, shown := range []bool{false, true} {
		m.order = slices.DeleteFunc(m.order, func(file *Stored) bool {
			crowded := m.total > m.maxTotal || len(m.files) > maxMediaFiles
			if !crowded || file == newest || file.shown != shown {
				return false
			}
			m.forget(file)
			return true
		})
	}
}

// Tidy removes files that exceed the limits.
func (m *Store) Tidy(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enforceLimits(now)
}

func (m *Store) tooOld(file *Stored, now time.Time) bool {
	return now.Sub(file.Uploaded) > m.maxAge
}

// forget deletes a file that has been taken off the list.
func (m *Store) forget(file *Stored) {
	m.total -= file.storedSize()
	delete(m.files, file.ID)
	m.erase(file.ID)
}

// Show marks a file as shown or not shown by a profile or a group. A shown file does not expire, but is removed if the
// files exceed the other limits.
func (m *Store) Show(directPath string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if file, ok := m.files[IDOf(directPath)]; ok {
		file.shown = on
	}
}

func newMediaID() string {
	var raw [12]byte
	_, _ = rand.Read(raw[:])
	return stanza.UpperHex(raw[:])
}

// Get returns a file by id. A file that was taken from the server is found too: its Gone says what downloads get.
func (m *Store) Get(id string) (Stored, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	if !ok || !file.shown && m.tooOld(file, time.Now()) {
		return Stored{}, false
	}
	if file.Gone == 0 {
		file.Downloads++
	}
	return *file, true
}

// Has reports whether a file can be downloaded.
func (m *Store) Has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	return ok && file.Gone == 0
}

// remove takes a file from the server, so that downloads get the status code. With lost, phones lose it as well. It
// returns false if there is no such file.
func (m *Store) remove(id string, code int, lost bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	if !ok {
		return false
	}
	var data []byte
	if lost = lost || file.Lost; !lost {
		var err error
		if data, err = m.Bytes(file); err != nil {
			m.log.Error("a removed file could not be read: phones lose it as well", "err", err)
			lost = true
		}
	}
	m.total -= file.storedSize()
	file.Gone, file.Lost = code, lost
	if lost {
		file.data = nil
	}
	m.total += file.storedSize()
	if m.folder != "" {
		if err := m.write(file, data); err != nil {
			m.log.Error("the removal of a file was not stored: the file is back after a restart", "err", err)
		}
	}
	return true
}

// OnPhones returns a file and its bytes as phones have it, even if it is gone from the server. It fails with ErrUnknown
// if phones have lost it.
func (m *Store) OnPhones(id string) (File, []byte, error) {
	m.mu.Lock()
	found, ok := m.files[id]
	var file Stored
	if ok {
		file = *found
	}
	m.mu.Unlock()
	if !ok || file.Lost {
		return File{}, nil, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	data, err := m.Bytes(&file)
	return file.File, data, err
}

// List returns all files, oldest first.
func (m *Store) List() []File {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := make([]File, 0, len(m.order))
	for _, file := range m.order {
		files = append(files, file.File)
	}
	return files
}

// byHash returns the ids of the files whose encrypted bytes have this SHA-256.
func (m *Store) byHash(sum []byte) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for _, file := range m.order {
		if string(file.sum[:]) == string(sum) {
			ids = append(ids, file.ID)
		}
	}
	return ids
}

// Take takes a file from the server, so that downloads get the status code. With lost, phones lose it as well. It fails
// with ErrBadCode or ErrUnknown.
func (m *Store) Take(id string, code int, lost bool) error {
	if !slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusGone}, code) {
		return fmt.Errorf("%w: got %d", ErrBadCode, code)
	}
	if !m.remove(id, code, lost) {
		return fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	return nil
}

// IDOf returns the id in a direct path, with or without query. It returns "" for any other path.
func IDOf(directPath string) string {
	name, ok := strings.CutPrefix(directPath, Path)
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "?")
	return strings.TrimSuffix(name, ".enc")
}
