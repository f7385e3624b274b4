package session

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Settings are a session's name, labels and proxy. A Settings value is never changed in place, because copies share the
// map.
type Settings struct {
	Name     string            // for people; at most MaxName characters
	Metadata map[string]string // the caller's own labels; at most MaxMetadata pairs
	Proxy    string            // http://, https:// or socks5:// URL with its credentials; "" connects directly
}

// The bounds of Settings.
const (
	MaxName          = 100
	MaxMetadata      = 50
	MaxMetadataValue = 500 // bytes
)

var metadataKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// Check returns an error with CodeInvalidRequest that names the first invalid field, or nil.
func (s Settings) Check() error {
	if utf8.RuneCountInString(s.Name) > MaxName || !utf8.ValidString(s.Name) {
		return invalidSetting("name", fmt.Sprintf("expected at most %d characters", MaxName))
	}
	if len(s.Metadata) > MaxMetadata {
		return invalidSetting("metadata", fmt.Sprintf("expected at most %d pairs", MaxMetadata))
	}
	for _, key := range slices.Sorted(maps.Keys(s.Metadata)) {
		if !metadataKey.MatchString(key) {
			return invalidSetting("metadata", fmt.Sprintf("key %q: expected 1 to 64 characters of A-Z, a-z, 0-9, '_', '.' or '-', beginning with a letter or a digit", Clip(key, 80)))
		}
		if value := s.Metadata[key]; len(value) > MaxMetadataValue || !utf8.ValidString(value) {
			return invalidSetting("metadata."+key, fmt.Sprintf("expected text of at most %d bytes", MaxMetadataValue))
		}
	}
	return checkProxy(s.Proxy)
}

func checkProxy(raw string) error {
	if raw == "" {
		return nil
	}
	const expected = "expected a URL such as socks5://user:password@host:1080 with the scheme http, https or socks5, and a port from 1 to 65535"
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return invalidSetting("proxy", expected) // the text does not repeat the value, which may hold a password
	}
	if !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) || !HasValidPort(u) {
		return invalidSetting("proxy", expected)
	}
	return nil
}

// HasValidPort reports whether a URL has no port, or one that can be connected to. url.Parse accepts any digits.
func HasValidPort(u *url.URL) bool {
	if u.Port() == "" {
		return true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

func invalidSetting(field, expected string) error {
	return &Error{Code: CodeInvalidRequest, Op: "check settings", Field: field, Message: field + ": " + expected}
}

// MaskProxy returns a proxy's URL with its password masked, or "" if raw is not a URL.
func MaskProxy(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return ""
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	return strings.TrimSuffix(u.String(), "/")
}
