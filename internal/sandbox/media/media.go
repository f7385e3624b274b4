// Package media keeps the files that clients upload, encrypted, and serves them.
//
// It knows neither their keys nor what is in them.
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
	ErrBadCode  = errors.New("not a status for a removed file: expected 403, 404 or 410")
)

const (
	// mediaTTL and mediaAuthTTL say how long clients may use the answer to media_conn and the secret in it.
	mediaTTL     = 5 * time.Minute
	mediaAuthTTL = 6 * time.Hour
	// Path is where files are downloaded from; WhatsApp's paths look like this one.
	Path = "/v/t62.7118-24/"
	// maxMediaFiles bounds how many files are kept besides their bytes.
	maxMediaFiles = 100_000
	// minMediaFile is the smallest sealed file: one cipher block and the MAC.
	minMediaFile = 26
)

// mediaTypes lists the types that an upload may name in its path (whatsmeow download.go, mediaTypeToMMSType, and
// the names that other clients use).
var mediaTypes = []string{
	"image", "video", "audio", "ptt", "document", "sticker", "sticker-pack", "gif", "ptv",
	"md-msg-hist", "md-app-state", "thumbnail-link", "thumbnail-image", "thumbnail-video", "thumbnail-document",
}

// File is an uploaded file. The server knows neither its key nor what is in it.
type File struct {
	// ID is the name of the file in its path.
	ID string `json:"id"`
	// Type is the type it was uploaded as: image, video, audio, document and so on.
	Type string `json:"type"`
	// Account is the phone number of who uploaded it.
	Account string `json:"account"`
	// Size is in bytes, encrypted.
	Size int `json:"size"`
	// DirectPath is the path and query that messages carry.
	DirectPath string    `json:"direct_path"`
	Uploaded   time.Time `json:"uploaded"`
	// Downloads counts how often it was fetched whole or in part.
	Downloads int `json:"downloads"`
	// Gone is the HTTP status that downloads get instead of the file, 0 while it is there.
	Gone int `json:"gone,omitempty"`
	// Lost says that the phones do not have the file any more either.
	Lost bool `json:"lost,omitempty"`
}

type Stored struct {
	File
	data []byte // nil when the file lies in the store's folder
	sum  [32]byte
	// shown says that somebody's profile shows the file, so that it goes last.
	shown bool
}

// Store keeps encrypted files, the newest as far as the limits allow: in memory, or in a folder when the server
// Has one for its state.
type Store struct {
	secret [32]byte
	// maxFile and maxTotal are in bytes.
	maxFile, maxTotal int64
	maxAge            time.Duration
	folder            string // "" keeps them in memory
	log               *slog.Logger
	// Host is the host:port that clients are told.
	Host func() string

	mu    sync.Mutex
	files map[string]*Stored
	order []*Stored
	total int64
}

// Limits say how much a store keeps: bytes of a file and of all files, and for how long.
type Limits struct {
	File, Total int64
	Age         time.Duration
}

// NewStore makes a store without files. host is the host:port that clients are told.
func NewStore(limits Limits, log *slog.Logger, host func() string) *Store {
	m := &Store{
		maxFile: limits.File, maxTotal: limits.Total, maxAge: limits.Age, log: log, Host: host,
		files: make(map[string]*Stored),
	}
	_, _ = rand.Read(m.secret[:])
	return m
}

// auth makes the secret by which an account uploads until a moment; it says for whom it was made.
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

// authorised returns the account that a secret was made for.
func (m *Store) authorised(secret string, now time.Time) (number string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil || len(raw) < 24 || !hmac.Equal(raw[:16], m.sign(raw[16:])) {
		return "", false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(raw[16:24])), 0)
	return string(raw[24:]), now.Before(until)
}

// Put keeps a file and forgets the oldest ones when there are too many.
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
		// Before anybody is told that it is there: a server that is killed then still has it.
		if err := m.write(file, data); err != nil {
			return File{}, err
		}
		file.data = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enter(file)
	m.makeRoom(time.Now())
	return file.File, nil
}

// enter takes a file into the list. The caller holds the lock.
func (m *Store) enter(file *Stored) {
	m.files[file.ID] = file
	m.order = append(m.order, file)
	m.total += file.kept()
}

// kept is how many bytes of the file there are, encrypted: what is gone from the server may be on phones.
func (f *File) kept() int64 {
	if f.Lost {
		return 0
	}
	return int64(f.Size)
}

// makeRoom forgets what is too old, and the oldest files while there are too many; of these, what profiles show goes
// last. The newest one stays. The caller holds the lock.
func (m *Store) makeRoom(now time.Time) {
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

// Tidy keeps the limits.
func (m *Store) Tidy(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeRoom(now)
}

func (m *Store) tooOld(file *Stored, now time.Time) bool {
	return now.Sub(file.Uploaded) > m.maxAge
}

// forget lets go of a file that is in the list no more.
func (m *Store) forget(file *Stored) {
	m.total -= file.kept()
	delete(m.files, file.ID)
	m.erase(file.ID)
}

// Show says whether a profile shows a file, which then stays as long as the total allows.
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

// Get finds a file by id. Files that were removed are there with what downloads are to be told.
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

// Has says whether a file is there to be downloaded.
func (m *Store) Has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	return ok && file.Gone == 0
}

// remove takes a file from the server; downloads then get the status code. Phones keep what they have of it unless it is
// to be lost to them as well.
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
			m.log.Error("a file was not read: phones have lost it as well", "err", err)
			lost = true
		}
	}
	m.total -= file.kept()
	file.Gone, file.Lost = code, lost
	if lost {
		file.data = nil
	}
	m.total += file.kept()
	if m.folder != "" {
		if err := m.write(file, data); err != nil {
			m.log.Error("that a file was taken away is not on disk: it is back after a restart", "err", err)
		}
	}
	return true
}

// OnPhones is a file as the phones that were sent it have it, whether or not it is still on the server.
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

// List lists the files, oldest first.
func (m *Store) List() []File {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := make([]File, 0, len(m.order))
	for _, file := range m.order {
		files = append(files, file.File)
	}
	return files
}

// byHash finds the files whose sealed form has a hash.
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

// Take removes a file, for phones as well if it is to be lost.
func (m *Store) Take(id string, code int, lost bool) error {
	if !slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusGone}, code) {
		return fmt.Errorf("%w: got %d", ErrBadCode, code)
	}
	if !m.remove(id, code, lost) {
		return fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	return nil
}

// IDOf reads the id from a direct path, with or without its query.
func IDOf(directPath string) string {
	name, ok := strings.CutPrefix(directPath, Path)
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "?")
	return strings.TrimSuffix(name, ".enc")
}
