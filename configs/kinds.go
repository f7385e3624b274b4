package configs

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field connects a key with its place in Config. set parses a text and reports
// whether it has the right form. check reports whether the value is allowed. want
// describes the expected value in the errors of both.
type field struct {
	name, unit, doc, want string

	get   func(*Config) string
	set   func(*Config, string) bool
	check func(*Config) bool
	mask  func(string) string // nil when the value is not a secret
	none  bool                // the value may be empty
	many  bool                // a file may have a list of values
}

// shown returns the value for output, masked if it may be a secret.
func (f field) shown(value string) string {
	if f.mask == nil {
		return value
	}
	return f.mask(value)
}

func duration(name, doc string, at func(*Config) *time.Duration, least, most time.Duration) field {
	return field{
		name: name, doc: doc, unit: "duration (ms, s, m, h)",
		want: fmt.Sprintf("a duration from %s to %s with its unit, such as 30s", formatDuration(least), formatDuration(most)),
		get:  func(c *Config) string { return formatDuration(*at(c)) },
		set: func(c *Config, s string) bool {
			d, err := time.ParseDuration(s)
			*at(c) = d
			return err == nil
		},
		check: func(c *Config) bool { return *at(c) >= least && *at(c) <= most },
	}
}

// formatDuration writes 3m where time.Duration writes 3m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func count(name, unit, doc string, at func(*Config) *int, least, most int) field {
	return field{
		name: name, doc: doc, unit: unit,
		want: fmt.Sprintf("a whole number from %d to %d", least, most),
		get:  func(c *Config) string { return strconv.Itoa(*at(c)) },
		set: func(c *Config, s string) bool {
			n, err := strconv.Atoi(s)
			*at(c) = n
			return err == nil
		},
		check: func(c *Config) bool { return *at(c) >= least && *at(c) <= most },
	}
}

func rate(name, unit, doc string, at func(*Config) *float64, least, most float64) field {
	return field{
		name: name, doc: doc, unit: unit,
		want: fmt.Sprintf("a number from %s to %s", formatFloat(least), formatFloat(most)),
		get:  func(c *Config) string { return formatFloat(*at(c)) },
		set: func(c *Config, s string) bool {
			n, err := strconv.ParseFloat(s, 64)
			*at(c) = n
			return err == nil && !math.IsNaN(n)
		},
		check: func(c *Config) bool { return *at(c) >= least && *at(c) <= most },
	}
}

func formatFloat(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// byteUnits is sorted from the largest, so that 1048576 is written as 1MiB.
var byteUnits = []struct {
	suffix string
	size   int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func size(name, doc string, at func(*Config) *int, least, most int) field {
	return field{
		name: name, doc: doc, unit: "bytes (KiB, MiB, GiB)",
		want: fmt.Sprintf("a size from %s to %s, such as 1MiB or 1048576", formatSize(least), formatSize(most)),
		get:  func(c *Config) string { return formatSize(*at(c)) },
		set: func(c *Config, s string) bool {
			n, ok := parseSize(s)
			*at(c) = n
			return ok
		},
		check: func(c *Config) bool { return *at(c) >= least && *at(c) <= most },
	}
}

func formatSize(n int) string {
	for _, u := range byteUnits {
		if n >= u.size && n%u.size == 0 {
			return strconv.Itoa(n/u.size) + u.suffix
		}
	}
	return strconv.Itoa(n)
}

func parseSize(s string) (int, bool) {
	unit := 1
	for _, u := range byteUnits {
		if number, found := strings.CutSuffix(s, u.suffix); found {
			s, unit = strings.TrimSpace(number), u.size
			break
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > math.MaxInt/unit || n < math.MinInt/unit {
		return 0, false
	}
	return n * unit, true
}

func boolean(name, doc string, at func(*Config) *bool) field {
	return field{
		name: name, doc: doc, unit: "true or false", want: "true or false",
		get: func(c *Config) string { return strconv.FormatBool(*at(c)) },
		set: func(c *Config, s string) bool {
			*at(c) = s == "true"
			return s == "true" || s == "false"
		},
		check: func(*Config) bool { return true },
	}
}

func choice(name, doc string, at func(*Config) *string, options ...string) field {
	return field{
		name: name, doc: doc, unit: strings.Join(options, ", "),
		want: "one of " + strings.Join(options, ", "),
		get:  func(c *Config) string { return *at(c) },
		set: func(c *Config, s string) bool {
			*at(c) = s
			return true
		},
		check: func(c *Config) bool { return slices.Contains(options, *at(c)) },
	}
}

// subset is a field for any of the options, separated by commas. The value may be empty.
func subset(name, doc string, at func(*Config) *string, options ...string) field {
	return text(field{
		name: name, doc: doc, unit: "some of " + strings.Join(options, ", ") + ", or empty", none: true, many: true,
		want: "some of " + strings.Join(options, ", ") + ", with commas between them",
		check: func(c *Config) bool {
			return *at(c) == "" || !slices.ContainsFunc(Listed(*at(c)), func(s string) bool { return !slices.Contains(options, s) })
		},
	}, at)
}

// list is a field for values separated by commas, each of which fits. In a file it may also be a list.
func list(name, what, want, doc string, at func(*Config) *string, fits func(string) bool) field {
	return text(field{
		name: name, doc: doc, unit: what + " with commas between them, or empty", none: true, many: true, want: want + ", with commas between them",
		check: func(c *Config) bool {
			return !slices.ContainsFunc(Listed(*at(c)), func(s string) bool { return !fits(s) })
		},
	}, at)
}

// hostName matches a name without its dots.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$`)

// isHost reports whether a text is a host name or an IP address, with or without a port.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "0"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !slices.ContainsFunc(strings.Split(strings.TrimSuffix(host, "."), "."), func(label string) bool { return !hostName.MatchString(label) })
}

// isNetwork reports whether a text is an IP address or a network in CIDR form.
func isNetwork(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// isOrigin reports whether a text is the origin of a web page: a scheme, a host, and a port if it is not the scheme's.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && isHost(u.Host) && u.User == nil && s == u.Scheme+"://"+u.Host
}

// Listed splits the value of a setting with several values at its commas. It returns nil for an empty one.
func Listed(value string) (all []string) {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	for each := range strings.SplitSeq(value, ",") {
		all = append(all, strings.TrimSpace(each))
	}
	return all
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func level(name, doc string) field {
	const options = "debug, info, warn, error"
	return field{
		name: name, doc: doc, unit: options, want: "one of " + options,
		get: func(c *Config) string { return strings.ToLower(c.Log.Level.String()) },
		set: func(c *Config, s string) bool {
			l, ok := levels[s]
			c.Log.Level = l
			return ok
		},
		check: func(c *Config) bool {
			_, ok := levels[strings.ToLower(c.Log.Level.String())]
			return ok
		},
	}
}

func listen(name, doc string, at func(*Config) *string) field {
	return text(field{
		name: name, doc: doc, unit: "host:port",
		want:  "a loopback host and a port, such as 127.0.0.1:3001 (other addresses need API keys, which do not exist yet)",
		check: func(c *Config) bool { return isLoopback(*at(c)) },
	}, at)
}

// isLoopback reports whether an address is host:port on loopback. An empty host is not: Go listens on every interface
// then.
func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// hasValidPort reports whether a URL has no port, or one that can be connected to. url.Parse accepts any digits.
func hasValidPort(u *url.URL) bool {
	if u.Port() == "" {
		return true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

func websocketURL(name, doc string, at func(*Config) *string) field {
	return text(field{
		name: name, doc: doc, unit: "URL",
		want: "a ws:// or wss:// URL with a host and without user, password or fragment",
		check: func(c *Config) bool {
			u, err := url.Parse(*at(c))
			return err == nil && (u.Scheme == "ws" || u.Scheme == "wss") && u.Hostname() != "" &&
				u.User == nil && u.Fragment == "" && hasValidPort(u)
		},
		mask: maskURL,
	}, at)
}

// proxyTemplate is a field for a URL in which {id} and {n} are replaced for each session.
func proxyTemplate(name, doc string, at func(*Config) *string) field {
	return text(field{
		name: name, doc: doc, unit: "URL, or empty", none: true,
		want: "a URL such as socks5://user-{id}:password@proxy-{n}.example:1080, with the scheme http, https or socks5 and no placeholders but {id} and {n}",
		check: func(c *Config) bool {
			filled := strings.NewReplacer("{id}", "1", "{n}", "0").Replace(*at(c))
			u, err := url.Parse(filled)
			return filled == "" || err == nil && slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) && u.Hostname() != "" &&
				strings.Trim(u.Path, "/") == "" && hasValidPort(u) && u.RawQuery == "" && u.Fragment == "" && !strings.ContainsAny(filled, "{}")
		},
		mask: func(s string) string {
			if s == "" {
				return ""
			}
			// A URL's host cannot contain braces, so replace them while the password is masked.
			shown := strings.NewReplacer("{id}", "_id_", "{n}", "_n_").Replace(s)
			return strings.NewReplacer("_id_", "{id}", "_n_", "{n}").Replace(maskURL(shown))
		},
	}, at)
}

const sqlitePrefix = "sqlite:"

func dsn(name, doc string, at func(*Config) *string) field {
	return text(field{
		name: name, doc: doc, unit: "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
		want: "sqlite:PATH, such as sqlite:./data/wasup.db, or a postgres:// URL",
		check: func(c *Config) bool {
			if path, found := strings.CutPrefix(*at(c), sqlitePrefix); found {
				return strings.TrimSpace(path) != ""
			}
			u, err := url.Parse(*at(c))
			// A URL without a host may name a socket's folder in its query.
			return err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") &&
				hasValidPort(u) && (u.Host != "" || (u.Opaque == "" && u.Query().Get("host") != ""))
		},
		mask: func(s string) string {
			if strings.HasPrefix(s, sqlitePrefix) || isPath(s) {
				return s
			}
			return maskDSN(s)
		},
	}, at)
}

// isPath reports whether a text is the path of a file, perhaps after the name of a driver, and so holds no credential.
func isPath(s string) bool {
	if driver, path, found := strings.Cut(s, ":"); found && !strings.ContainsAny(driver, "/.") {
		s = path
	}
	begins := func(prefix string) bool { return strings.HasPrefix(s, prefix) && !strings.HasPrefix(s, "//") }
	ends := func(suffix string) bool { return strings.HasSuffix(s, suffix) }
	return !strings.ContainsAny(s, "@?=: ") && (slices.ContainsFunc([]string{"/", "./", "../", "~/"}, begins) ||
		slices.ContainsFunc([]string{".db", ".sqlite", ".sqlite3"}, ends))
}

// openParameters are the options of a PostgreSQL address that hold no credential.
var openParameters = []string{
	"host", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name",
	"search_path", "target_session_attrs",
}

// maskDSN masks the password of a database's address, and every option that is not known to hold none.
func maskDSN(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || (u.Host == "" && u.RawQuery == "") {
		return maskURL(s)
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return maskURL(s)
	}
	for name := range options {
		if !slices.Contains(openParameters, name) {
			options.Set(name, "xxxxx")
		}
	}
	u.RawQuery = strings.NewReplacer("%2F", "/", "%3A", ":").Replace(options.Encode())
	return u.Redacted()
}

// maskURL masks what may be a credential: the password, and the query, where
// drivers accept passwords, too. The rest of the URL identifies the server and
// stays. A text that is not a URL is masked whole: a password could be anywhere.
func maskURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		if scheme, _, found := strings.Cut(s, ":"); found && !strings.ContainsAny(scheme, " =@/") {
			return scheme + ":xxxxx"
		}
		return "xxxxx"
	}
	if u.RawQuery != "" {
		u.RawQuery = "xxxxx"
	}
	return u.Redacted()
}

func publicKey(name, doc string, at func(*Config) *[32]byte) field {
	return field{
		name: name, doc: doc, unit: "64 hex digits", want: "64 hex digits, not all zero",
		get: func(c *Config) string { return hex.EncodeToString(at(c)[:]) },
		set: func(c *Config, s string) bool {
			raw, err := hex.DecodeString(s)
			if err != nil || len(raw) != len(at(c)) {
				return false
			}
			copy(at(c)[:], raw)
			return true
		},
		check: func(c *Config) bool { return *at(c) != [32]byte{} },
	}
}

func folder(name, doc string, at func(*Config) *string) field {
	return text(field{
		name: name, doc: doc, unit: "path, or empty", none: true, want: "the path of a folder",
		check: func(c *Config) bool { return !strings.ContainsRune(*at(c), 0) },
	}, at)
}

// text completes a field whose value is a plain string.
func text(f field, at func(*Config) *string) field {
	f.get = func(c *Config) string { return *at(c) }
	f.set = func(c *Config, s string) bool {
		*at(c) = s
		return true
	}
	return f
}
