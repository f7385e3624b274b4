package admin

import (
	"net/http"
	"strconv"
	"time"

	"wasup/internal/sandbox/media"
)

type mediaFileBody struct {
	ID         string    `json:"id" doc:"to take it away"`
	Type       string    `json:"type" doc:"image, video, document and so on"`
	Account    string    `json:"account" doc:"who uploaded it"`
	Size       int       `json:"size" doc:"in bytes, encrypted"`
	DirectPath string    `json:"direct_path" doc:"where clients find it"`
	Uploaded   time.Time `json:"uploaded" doc:"when"`
	Downloads  int       `json:"downloads" doc:"how often it was fetched"`
	Gone       int       `json:"gone,omitempty" doc:"the status that downloads get instead"`
	Lost       bool      `json:"lost,omitempty" doc:"the phones do not have it any more either"`
}

type mediaFilesBody struct {
	Media []mediaFileBody `json:"media" doc:"oldest first"`
}

func (a weatherAPI) listMedia(r *http.Request) (int, any, error) {
	if _, err := query(r); err != nil {
		return 0, nil, err
	}
	body := mediaFilesBody{Media: []mediaFileBody{}}
	for _, file := range a.server.Media() {
		body.Media = append(body.Media, mediaFileBody(file))
	}
	return http.StatusOK, body, nil
}

// expireMedia removes a file; ?code says what downloads are told from then on, ?lost whether phones have lost it as well.
func (a weatherAPI) expireMedia(r *http.Request) (int, any, error) {
	values, err := query(r, "code", "lost")
	if err != nil {
		return 0, nil, err
	}
	code := http.StatusGone
	if text := values.Get("code"); text != "" {
		if code, err = strconv.Atoi(text); err != nil {
			return 0, nil, translate(media.ErrBadCode)
		}
	}
	take := a.server.ExpireMedia
	switch values.Get("lost") {
	case "", "false":
	case "true":
		take = a.server.LoseMedia
	default:
		return 0, nil, invalid("lost", "expected true or false")
	}
	if err := take(r.PathValue("id"), code); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}
