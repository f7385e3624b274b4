package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"go.mau.fi/whatsmeow/proto/waWa6"

	"wasup/internal/sandbox/observe"
)

// Version is the number of a client of WhatsApp Web, such as 2.3000.1045649367. The last part is its revision.
type Version [3]uint32

// Before orders versions.
func (v Version) Before(other Version) bool {
	return slices.CompareFunc(v[:], other[:], cmp.Compare[uint32]) < 0
}

// ErrBadVersion means that a text is no Version.
var ErrBadVersion = errors.New("not a version: expected three numbers such as 2.3000.1045649367")

// ParseVersion reads a version as String writes it.
func ParseVersion(text string) (Version, error) {
	var v Version
	parts := strings.Split(text, ".")
	if len(parts) != len(v) {
		return Version{}, ErrBadVersion
	}
	for i, part := range parts {
		number, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return Version{}, ErrBadVersion
		}
		v[i] = uint32(number)
	}
	return v, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// reasonOutdated refuses a client for its version (405), before the server looks at who it is.
const reasonOutdated = 405

// versions is which clients are let in, and which one the front page offers.
type versions struct {
	observer *observe.Observer

	least, newest atomic.Pointer[Version]
}

func newVersions(cfg Config, observer *observe.Observer) *versions {
	v := &versions{observer: observer}
	v.least.Store(&cfg.MinVersion)
	v.newest.Store(&cfg.WebVersion)
	return v
}

// SetMinVersion refuses clients older than v from now on, as WhatsApp does when it drops support for a version; those
// that are connected stay. The zero Version lets everybody in.
func (s *Server) SetMinVersion(v Version) { s.versions.least.Store(&v) }

// SetWebVersion is the version whose revision the front page names. The zero Version is the least one let in.
func (s *Server) SetWebVersion(v Version) { s.versions.newest.Store(&v) }

// MinVersion is the oldest version that is let in, zero when all are.
func (s *Server) MinVersion() Version { return *s.versions.least.Load() }

// WebVersion is the version that was set for the front page, zero for the least one let in.
func (s *Server) WebVersion() Version { return *s.versions.newest.Load() }

// outdated reports whether the client has to be refused for its version.
func (v *versions) outdated(payload *waWa6.ClientPayload) bool {
	app := payload.GetUserAgent().GetAppVersion()
	shown := Version{app.GetPrimary(), app.GetSecondary(), app.GetTertiary()}
	return shown.Before(*v.least.Load())
}

// serveWeb is the front page, of which clients read the newest revision. Like the rest of WhatsApp Web it is of no
// other use to them.
func (v *versions) serveWeb(w http.ResponseWriter, _ *http.Request) {
	v.observer.Count(func(n *observe.Counters) { n.WebPages++ })
	newest := *v.newest.Load()
	if newest == (Version{}) {
		newest = *v.least.Load()
	}
	if newest == (Version{}) {
		http.Error(w, "this sandbox offers no version: set one with SetWebVersion", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html><title>WhatsApp Web</title><script>{\"server_revision\":%d,\"client_revision\":%d,\"tier\":\"sandbox\"}</script>\n", newest[2], newest[2])
}
