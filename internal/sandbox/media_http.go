package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// serveMedia adds the routes for files, as WhatsApp's clients use them: POST and DELETE /mms/{type}/{token}, where
// token is the hash of the encrypted file, and GET of a direct path.
func (s *Server) serveMedia(mux *http.ServeMux) {
	mux.HandleFunc("POST /mms/{type}/{token}", s.upload)
	mux.HandleFunc("DELETE /mms/{type}/{token}", s.deleteUpload)
	mux.HandleFunc("GET "+mediaPath+"{file}", s.download)
}

// uploadAnswer is what a client takes over into the message.
type uploadAnswer struct {
	URL        string `json:"url"`
	DirectPath string `json:"direct_path"`
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	if fault, ok := s.fault(FaultMediaUpload, nil); ok {
		s.refuseMedia(w, fault.Code)
		return
	}
	account, ok := s.media.authorised(r.URL.Query().Get("auth"), time.Now())
	want, valid := hashOf(r.PathValue("token"))
	switch {
	case !ok:
		s.refuseMedia(w, http.StatusUnauthorized)
		return
	case !slices.Contains(mediaTypes, r.PathValue("type")), !valid:
		s.refuseMedia(w, http.StatusBadRequest)
		return
	}
	data, err := readUpload(w, r, s.media.maxFile)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.refuseMedia(w, http.StatusRequestEntityTooLarge)
		return
	case err != nil, len(data) < minMediaFile, sha256.Sum256(data) != want:
		s.refuseMedia(w, http.StatusBadRequest)
		return
	}
	file, err := s.media.put(account, r.PathValue("type"), data)
	switch {
	case errors.Is(err, ErrMediaTooLarge):
		s.refuseMedia(w, http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		s.log.Error("an uploaded file was not kept", "err", err)
		s.refuseMedia(w, http.StatusInsufficientStorage)
		return
	}
	s.stats.add(func(n *Counters) { n.Uploads++ })
	s.emit(Event{Kind: EventUpload, Account: account, Detail: file.Type + " " + file.ID})
	w.Header().Set("Content-Type", "application/json")
	// A client that went away meanwhile uploads again.
	_ = json.NewEncoder(w).Encode(uploadAnswer{URL: "https://" + s.MediaHost() + file.DirectPath, DirectPath: file.DirectPath})
}

// readUpload reads a body. Large files take longer than the server's other requests may.
func readUpload(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(mediaTTL)); err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

// hashOf reads a SHA-256 in URL-safe base64, with or without its padding.
func hashOf(token string) (sum [32]byte, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return [32]byte(raw), true
}

// deleteUpload removes a file that its receiver does not need any more: clients do it with history.
func (s *Server) deleteUpload(w http.ResponseWriter, r *http.Request) {
	_, ok := s.media.authorised(r.URL.Query().Get("auth"), time.Now())
	sum, valid := hashOf(r.PathValue("token"))
	if !ok {
		s.refuseMedia(w, http.StatusUnauthorized)
		return
	}
	ids := s.media.byHash(sum[:])
	if !valid || len(ids) == 0 {
		s.refuseMedia(w, http.StatusNotFound)
		return
	}
	for _, id := range ids {
		s.media.remove(id, http.StatusNotFound, true)
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	if fault, ok := s.fault(FaultMediaDownload, nil); ok {
		s.refuseMedia(w, fault.Code)
		return
	}
	file, ok := s.media.get(strings.TrimSuffix(r.PathValue("file"), ".enc"))
	switch {
	case !ok:
		s.refuseMedia(w, http.StatusNotFound)
		return
	case file.Gone != 0:
		s.refuseMedia(w, file.Gone)
		return
	}
	if asked := r.URL.Query().Get("hash"); asked != "" {
		// The hash in the address is the receiver's word for which file it wants.
		if sum, valid := hashOf(asked); !valid || sum != file.sum {
			s.refuseMedia(w, http.StatusForbidden)
			return
		}
	}
	content, err := s.media.open(&file)
	switch {
	case errors.Is(err, ErrUnknownMedia):
		s.refuseMedia(w, http.StatusNotFound)
		return
	case err != nil:
		s.log.Error("a file cannot be read", "err", err)
		s.refuseMedia(w, http.StatusInternalServerError)
		return
	}
	defer func() { _ = content.Close() }() // it is only read
	s.stats.add(func(n *Counters) { n.Downloads++ })
	s.emit(Event{Kind: EventDownload, Account: file.Account, Detail: file.Type + " " + file.ID})
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", file.Uploaded, content)
}

func (s *Server) refuseMedia(w http.ResponseWriter, code int) {
	s.stats.add(func(n *Counters) { n.MediaRefused++ })
	http.Error(w, http.StatusText(code), code)
}
