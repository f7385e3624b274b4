package media

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
)

// Server serves uploads and downloads of files over HTTP.
type Server struct {
	media    *Store
	faults   *faults.Set
	observer *observe.Observer
	log      *slog.Logger
}

// NewServer returns a server for the files of a store.
func NewServer(media *Store, faults *faults.Set, observer *observe.Observer, log *slog.Logger) *Server {
	return &Server{media: media, faults: faults, observer: observer, log: log}
}

// Routes adds the routes that WhatsApp's clients use: POST and DELETE /mms/{type}/{token}, where token is the hash of
// the encrypted file, and GET of a direct path.
func (m *Server) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /mms/{type}/{token}", m.upload)
	mux.HandleFunc("DELETE /mms/{type}/{token}", m.deleteUpload)
	mux.HandleFunc("GET "+Path+"{file}", m.download)
}

// uploadAnswer is the answer to an upload. The client copies it into the message.
type uploadAnswer struct {
	URL        string `json:"url"`
	DirectPath string `json:"direct_path"`
}

func (m *Server) upload(w http.ResponseWriter, r *http.Request) {
	if fault, ok := m.faults.Strike(faults.MediaUpload, nil); ok {
		m.refuseMedia(w, fault.Code)
		return
	}
	account, ok := m.media.authorised(r.URL.Query().Get("auth"), time.Now())
	want, valid := hashOf(r.PathValue("token"))
	switch {
	case !ok:
		m.refuseMedia(w, http.StatusUnauthorized)
		return
	case !slices.Contains(mediaTypes, r.PathValue("type")), !valid:
		m.refuseMedia(w, http.StatusBadRequest)
		return
	}
	data, err := readUpload(w, r, m.media.maxFile)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		m.refuseMedia(w, http.StatusRequestEntityTooLarge)
		return
	case err != nil, len(data) < minMediaFile, sha256.Sum256(data) != want:
		m.refuseMedia(w, http.StatusBadRequest)
		return
	}
	file, err := m.media.Put(account, r.PathValue("type"), data)
	switch {
	case errors.Is(err, ErrTooLarge):
		m.refuseMedia(w, http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		m.log.Error("an uploaded file was not stored", "err", err)
		m.refuseMedia(w, http.StatusInsufficientStorage)
		return
	}
	m.observer.Count(func(n *observe.Counters) { n.Uploads++ })
	m.observer.Emit(observe.Event{Kind: observe.EventUpload, Account: account, Detail: file.Type + " " + file.ID})
	w.Header().Set("Content-Type", "application/json")
	// A client that has disconnected uploads the file again.
	_ = json.NewEncoder(w).Encode(uploadAnswer{URL: "https://" + m.media.Host() + file.DirectPath, DirectPath: file.DirectPath})
}

// readUpload reads a body of at most limit bytes. It extends the read deadline, because large files take longer than
// other requests may.
func readUpload(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(mediaTTL)); err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

// hashOf decodes a SHA-256 in URL-safe base64, with or without padding.
func hashOf(token string) (sum [32]byte, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return [32]byte(raw), true
}

// deleteUpload removes a file that its receiver does not need any more. Clients do so with history.
func (m *Server) deleteUpload(w http.ResponseWriter, r *http.Request) {
	_, ok := m.media.authorised(r.URL.Query().Get("auth"), time.Now())
	sum, valid := hashOf(r.PathValue("token"))
	if !ok {
		m.refuseMedia(w, http.StatusUnauthorized)
		return
	}
	ids := m.media.byHash(sum[:])
	if !valid || len(ids) == 0 {
		m.refuseMedia(w, http.StatusNotFound)
		return
	}
	for _, id := range ids {
		m.media.remove(id, http.StatusNotFound, true)
	}
	w.WriteHeader(http.StatusOK)
}

func (m *Server) download(w http.ResponseWriter, r *http.Request) {
	if fault, ok := m.faults.Strike(faults.MediaDownload, nil); ok {
		m.refuseMedia(w, fault.Code)
		return
	}
	file, ok := m.media.Get(strings.TrimSuffix(r.PathValue("file"), ".enc"))
	switch {
	case !ok:
		m.refuseMedia(w, http.StatusNotFound)
		return
	case file.Gone != 0:
		m.refuseMedia(w, file.Gone)
		return
	}
	if asked := r.URL.Query().Get("hash"); asked != "" {
		// The hash in the URL says which file the receiver expects.
		if sum, valid := hashOf(asked); !valid || sum != file.sum {
			m.refuseMedia(w, http.StatusForbidden)
			return
		}
	}
	content, err := m.media.open(&file)
	switch {
	case errors.Is(err, ErrUnknown):
		m.refuseMedia(w, http.StatusNotFound)
		return
	case err != nil:
		m.log.Error("a file cannot be read", "err", err)
		m.refuseMedia(w, http.StatusInternalServerError)
		return
	}
	defer func() { _ = content.Close() }() // it is only read
	m.observer.Count(func(n *observe.Counters) { n.Downloads++ })
	m.observer.Emit(observe.Event{Kind: observe.EventDownload, Account: file.Account, Detail: file.Type + " " + file.ID})
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", file.Uploaded, content)
}

func (m *Server) refuseMedia(w http.ResponseWriter, code int) {
	m.observer.Count(func(n *observe.Counters) { n.MediaRefused++ })
	http.Error(w, http.StatusText(code), code)
}
