package sandbox

import (
	"cmp"
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
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/stanza"
)

// Errors of files.
var (
	ErrUnknownMedia  = errors.New("no such file")
	ErrMediaGone     = errors.New("the file was removed from the server")
	ErrMediaTooLarge = errors.New("the file is too large")
	ErrBadMediaCode  = errors.New("not a status for a removed file: expected 403, 404 or 410")
)

const (
	// mediaTTL and mediaAuthTTL say how long clients may use the answer to media_conn and the secret in it.
	mediaTTL     = 5 * time.Minute
	mediaAuthTTL = 6 * time.Hour
	// mediaPath is where files are downloaded from; WhatsApp's paths look like this one.
	mediaPath = "/v/t62.7118-24/"
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

// MediaFile is an uploaded file. The server knows neither its key nor what is in it.
type MediaFile struct {
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

type storedMedia struct {
	MediaFile
	data []byte // nil when the file lies in the store's folder
	sum  [32]byte
	// shown says that somebody's profile shows the file, so that it goes last.
	shown bool
}

// mediaStore keeps encrypted files, the newest as far as the limits allow: in memory, or in a folder when the server
// has one for its state.
type mediaStore struct {
	secret [32]byte
	// maxFile and maxTotal are in bytes.
	maxFile, maxTotal int64
	maxAge            time.Duration
	folder            string // "" keeps them in memory
	log               *slog.Logger
	// host is the host:port that clients are told.
	host func() string

	mu    sync.Mutex
	files map[string]*storedMedia
	order []*storedMedia
	total int64
}

func newMediaStore(cfg Config, host func() string) *mediaStore {
	m := &mediaStore{
		maxFile: cfg.MaxMediaFile, maxTotal: cfg.MaxMedia, maxAge: cfg.MaxMediaAge, log: cfg.Log, host: host,
		files: make(map[string]*storedMedia),
	}
	_, _ = rand.Read(m.secret[:])
	return m
}

// auth makes the secret by which an account uploads until a moment; it says for whom it was made.
func (m *mediaStore) auth(number string, until time.Time) string {
	body := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	body = append(body, number...)
	return base64.RawURLEncoding.EncodeToString(append(m.sign(body), body...))
}

func (m *mediaStore) sign(body []byte) []byte {
	mac := hmac.New(sha256.New, m.secret[:])
	mac.Write(body)
	return mac.Sum(nil)[:16]
}

// authorised returns the account that a secret was made for.
func (m *mediaStore) authorised(secret string, now time.Time) (number string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil || len(raw) < 24 || !hmac.Equal(raw[:16], m.sign(raw[16:])) {
		return "", false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(raw[16:24])), 0)
	return string(raw[24:]), now.Before(until)
}

// put keeps a file and forgets the oldest ones when there are too many.
func (m *mediaStore) put(account, kind string, data []byte) (MediaFile, error) {
	if int64(len(data)) > m.maxFile {
		return MediaFile{}, fmt.Errorf("%w: %d bytes, expected at most %d", ErrMediaTooLarge, len(data), m.maxFile)
	}
	sum := sha256.Sum256(data)
	id := newMediaID()
	file := &storedMedia{
		MediaFile: MediaFile{
			ID: id, Type: kind, Account: account, Size: len(data), Uploaded: time.Now(),
			DirectPath: mediaPath + id + ".enc?ccb=11-4&oh=" + stanza.UpperHex(sum[:8]) + "&oe=" + strconv.FormatInt(time.Now().Add(14*24*time.Hour).Unix(), 16),
		},
		data: data, sum: sum,
	}
	if m.folder != "" {
		// Before anybody is told that it is there: a server that is killed then still has it.
		if err := m.write(file, data); err != nil {
			return MediaFile{}, err
		}
		file.data = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enter(file)
	m.makeRoom(time.Now())
	return file.MediaFile, nil
}

// enter takes a file into the list. The caller holds the lock.
func (m *mediaStore) enter(file *storedMedia) {
	m.files[file.ID] = file
	m.order = append(m.order, file)
	m.total += file.kept()
}

// kept is how many bytes of the file there are, encrypted: what is gone from the server may be on phones.
func (f *MediaFile) kept() int64 {
	if f.Lost {
		return 0
	}
	return int64(f.Size)
}

// makeRoom forgets what is too old, and the oldest files while there are too many; of these, what profiles show goes
// last. The newest one stays. The caller holds the lock.
func (m *mediaStore) makeRoom(now time.Time) {
	m.order = slices.DeleteFunc(m.order, func(file *storedMedia) bool {
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
		m.order = slices.DeleteFunc(m.order, func(file *storedMedia) bool {
			crowded := m.total > m.maxTotal || len(m.files) > maxMediaFiles
			if !crowded || file == newest || file.shown != shown {
				return false
			}
			m.forget(file)
			return true
		})
	}
}

// tidy keeps the limits.
func (m *mediaStore) tidy(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeRoom(now)
}

func (m *mediaStore) tooOld(file *storedMedia, now time.Time) bool {
	return now.Sub(file.Uploaded) > m.maxAge
}

// forget lets go of a file that is in the list no more.
func (m *mediaStore) forget(file *storedMedia) {
	m.total -= file.kept()
	delete(m.files, file.ID)
	m.erase(file.ID)
}

// show says whether a profile shows a file, which then stays as long as the total allows.
func (m *mediaStore) show(directPath string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if file, ok := m.files[mediaIDOf(directPath)]; ok {
		file.shown = on
	}
}

func newMediaID() string {
	var raw [12]byte
	_, _ = rand.Read(raw[:])
	return stanza.UpperHex(raw[:])
}

// get finds a file by id. Files that were removed are there with what downloads are to be told.
func (m *mediaStore) get(id string) (storedMedia, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	if !ok || !file.shown && m.tooOld(file, time.Now()) {
		return storedMedia{}, false
	}
	if file.Gone == 0 {
		file.Downloads++
	}
	return *file, true
}

// has says whether a file is there to be downloaded.
func (m *mediaStore) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	return ok && file.Gone == 0
}

// remove takes a file from the server; downloads then get the status code. Phones keep what they have of it unless it is
// to be lost to them as well.
func (m *mediaStore) remove(id string, code int, lost bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	if !ok {
		return false
	}
	var data []byte
	if lost = lost || file.Lost; !lost {
		var err error
		if data, err = m.bytes(file); err != nil {
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

// onPhones is a file as the phones that were sent it have it, whether or not it is still on the server.
func (m *mediaStore) onPhones(id string) (MediaFile, []byte, error) {
	m.mu.Lock()
	found, ok := m.files[id]
	var file storedMedia
	if ok {
		file = *found
	}
	m.mu.Unlock()
	if !ok || file.Lost {
		return MediaFile{}, nil, fmt.Errorf("%w: %s", ErrUnknownMedia, id)
	}
	data, err := m.bytes(&file)
	return file.MediaFile, data, err
}

func (m *mediaStore) list() []MediaFile {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := make([]MediaFile, 0, len(m.order))
	for _, file := range m.order {
		files = append(files, file.MediaFile)
	}
	return files
}

// byHash finds the files whose sealed form has a hash.
func (m *mediaStore) byHash(sum []byte) []string {
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

// Media lists the uploaded files, oldest first.
func (s *Server) Media() []MediaFile { return s.media.list() }

// ExpireMedia removes a file, as WhatsApp does after some weeks. Downloads are then answered with code: 404, 410
// or 403. Phones still have the file, and upload it again for a device that asks.
func (s *Server) ExpireMedia(id string, code int) error { return s.media.take(id, code, false) }

// LoseMedia removes a file as ExpireMedia does, and from the phones as well.
func (s *Server) LoseMedia(id string, code int) error { return s.media.take(id, code, true) }

// queryMediaConn tells a device where to upload files, and the secret to do so.
func (m *mediaStore) queryMediaConn(dev *device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{{
		Tag: "media_conn",
		Attrs: waBinary.Attrs{
			"auth":        m.auth(dev.account.number, time.Now().Add(mediaAuthTTL)),
			"ttl":         strconv.Itoa(int(mediaTTL.Seconds())),
			"auth_ttl":    strconv.Itoa(int(mediaAuthTTL.Seconds())),
			"max_buckets": "12",
		},
		Content: []waBinary.Node{{Tag: "host", Attrs: waBinary.Attrs{
			"hostname":              m.host(),
			"type":                  "primary",
			"maxContentLengthBytes": strconv.FormatInt(m.maxFile, 10),
		}}},
	}}, nil
}

// MediaHost is the host:port of uploads and downloads that clients are told; empty before Start. Clients put
// https:// before it. Without Config.TLS it speaks plain HTTP, and a client has to be led there.
func (s *Server) MediaHost() string {
	plain, secure := s.endpoint.addresses()
	return cmp.Or(secure, plain)
}

// take removes a file, for phones as well if it is to be lost.
func (m *mediaStore) take(id string, code int, lost bool) error {
	if !slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusGone}, code) {
		return fmt.Errorf("%w: got %d", ErrBadMediaCode, code)
	}
	if !m.remove(id, code, lost) {
		return fmt.Errorf("%w: %s", ErrUnknownMedia, id)
	}
	return nil
}
