package admin

import (
	"net/http"
	"strconv"
	"time"

	"wasup/internal/sandbox/media"
)

type mediaFileBody struct {
	ID         string    `json:"id" doc:"identifies it in /media/{id}"`
	Type       string    `json:"type" doc:"image, video, document and so on"`
	Account    string    `json:"account" doc:"account that uploaded it"`
	Size       int       `json:"size" doc:"encrypted size in bytes"`
	DirectPath string    `json:"direct_path" doc:"path that clients download it from"`
	Uploaded   time.Time `json:"uploaded" doc:"when it was uploaded"`
	Downloads  int       `json:"downloads" doc:"number of downloads"`
	Gone       int       `json:"gone,omitempty" doc:"status of downloads since the file was removed"`
	Lost       bool      `json:"lost,omitempty" doc:"whether the phones have lost their copy, too"`
}

type mediaFilesBody struct {
	Media []mediaFileBody `json:"media" doc:"oldest first"`
}

func (a faultAPI) listMedia(r *http.Request) (int, any, error) {
	body := mediaFilesBody{Media: []mediaFileBody{}}
	for _, file := range a.server.Media().List() {
		body.Media = append(body.Media, mediaFileBody(file))
	}
	return http.StatusOK, body, nil
}

// expireMedia removes a file. ?code is the status of later downloads, ?lost whether the phones lose their copy, too.
func (a faultAPI) expireMedia(r *http.Request) (int, any, error) {
	values, code := r.URL.Query(), http.StatusGone
	if text := values.Get("code"); text != "" {
		var err error
		if code, err = strconv.Atoi(text); err != nil {
			return 0, nil, translate(media.ErrBadCode)
		}
	}
	var lost bool
	switch values.Get("lost") {
	case "", "false":
	case "true":
		lost = true
	default:
		return 0, nil, invalid("lost", "expected true or false")
	}
	if err := a.server.Media().Take(r.PathValue("id"), code, lost); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}
