package admin

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

// The page of virtual phones. It uses this API, and is embedded so that it needs no internet.
//
//go:embed page
var pageFiles embed.FS

// policy allows the page to load its own files and to call its own server, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves one file of the page. It returns false if there is no file of that name.
func (a *api) page(w http.ResponseWriter, r *http.Request) bool {
	name := path.Base(r.URL.Path)
	if r.URL.Path == "/" {
		name = "index.html"
	} else if path.Dir(r.URL.Path) != "/" {
		return false
	}
	content, err := fs.ReadFile(pageFiles, "page/"+name)
	if err != nil {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.refuseMethod(w, r, []string{http.MethodGet})
		return true
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-cache") // a newer binary has a newer page
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	return true
}
