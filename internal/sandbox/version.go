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

// Version is the version of a WhatsApp Web client, such as 2.3000.1045649367. The last part is the revision.
type Version [3]uint32

// Before reports whether v is lower than other.
func (v Version) Before(other Version) bool {
	return slices.CompareFunc(v[:], other[:], cmp.Compare[uint32]) < 0
}

// ErrBadVersion means that a text is not a Version.
var ErrBadVersion = errors.New("not a version: expected three numbers such as 2.3000.1045649367")

// ParseVersion parses a version in the form of String. Errors: ErrBadVersion.
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

// reasonOutdated is the failure for an outdated client (405). It comes before the server checks the account.
const reasonOutdated = 405

// Versions holds the lowest accepted client version and the version that the front page offers.
type Versions struct {
	observer *observe.Observer

	least, newest atomic.Pointer[Version]
}

func newVersions(cfg Config, observer *observe.Observer) *Versions {
	v := &Versions{observer: observer}
	v.least.Store(&cfg.MinVersion)
	v.newest.Store(&cfg.WebVersion)
	return v
}

// Versions returns the versions of clients that the server accepts and offers.
func (s *Server) Versions() *Versions { return s.versions }

// SetLeast refuses clients older than least from now on, as WhatsApp does when it drops support for a version. Connected
// clients stay connected. The zero Version accepts all.
func (v *Versions) SetLeast(least Version) { v.least.Store(&least) }

// SetWeb sets the version whose revision the front page contains. The zero Version means that of SetLeast.
func (v *Versions) SetWeb(newest Version) { v.newest.Store(&newest) }

// Least returns the lowest accepted version, zero if all are accepted.
func (v *Versions) Least() Version { return *v.least.Load() }

// Web returns the version of the front page as it was set, zero for that of Least.
func (v *Versions) Web() Version { return *v.newest.Load() }

// outdated reports whether a client must be refused because of its version.
func (v *Versions) outdated(payload *waWa6.ClientPayload) bool {
	app := payload.GetUserAgent().GetAppVersion()
	shown := Version{app.GetPrimary(), app.GetSecondary(), app.GetTertiary()}
	return shown.Before(*v.least.Load())
}

// serveWeb serves the front page, from which clients read the newest revision. They need nothing else of WhatsApp Web.
func (v *Versions) serveWeb(w http.ResponseWriter, _ *http.Request) {
	v.observer.Count(func(n *observe.Counters) { n.WebPages++ })
	newest := *v.newest.Load()
	if newest == (Version{}) {
		newest = *v.least.Load()
	}
	if newest == (Version{}) {
		http.Error(w, "this sandbox offers no version: set one with SetWeb", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html><title>WhatsApp Web</title><script>{\"server_revision\":%d,\"client_revision\":%d,\"tier\":\"sandbox\"}</script>\n", newest[2], newest[2])
}
