package configs

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// EnvFile is the environment variable with the path of the file. It is used when
// Sources.File is empty.
const EnvFile = envPrefix + "CONFIG"

// Sources are the sources of values. Flags override the environment, which
// overrides the file, which overrides the defaults.
type Sources struct {
	File  string            // path of a YAML file; empty for none
	Env   []string          // NAME=value, as os.Environ returns it
	Flags map[string]string // from key to value, only given flags
}

// Load merges the sources and validates the result. Its error joins one *Error for
// each problem, so that one start shows all of them.
func Load(src Sources) (Config, error) {
	config, _, err := LoadGiven(src)
	return config, err
}

// LoadGiven is Load. It also returns the keys that a source has given, whatever their values.
func LoadGiven(src Sources) (config Config, given map[string]bool, err error) {
	l := loader{config: Default(), origin: map[string]string{}, byName: map[string]field{}, byEnv: map[string]string{}}
	for _, f := range fields() {
		l.byName[f.name] = f
		l.byEnv[envName(f.name)] = f.name
	}
	file := src.File
	if file == "" {
		file = envFile(src.Env)
	}
	if file != "" {
		l.file(file)
	}
	l.env(src.Env)
	l.flags(src.Flags)
	l.errs = append(l.errs, check(&l.config, l.origin)...)
	if len(l.errs) > 0 {
		return Config{}, nil, errors.Join(l.errs...)
	}
	given = make(map[string]bool, len(l.origin))
	for key := range l.origin {
		given[key] = true
	}
	return l.config, given, nil
}

// Validate returns all errors in a configuration, joined, or nil.
func (c Config) Validate() error { return errors.Join(check(&c, nil)...) }

// loader collects values and errors from one source after the other.
type loader struct {
	config Config
	origin map[string]string // from key to the source of its current value
	byName map[string]field
	byEnv  map[string]string
	errs   []error
}

// set stores one value. If the value cannot be parsed, the previous one stays, so
// that the error is reported only once.
func (l *loader) set(f field, value, source string) {
	if value == "" && !f.none {
		l.fail(f.name, "", source, "is empty; expected "+f.want+" (leave it out for the default)")
		return
	}
	next := l.config
	if !f.set(&next, value) {
		l.fail(f.name, f.shown(value), source, "expected "+f.want)
		return
	}
	l.config = next
	l.origin[f.name] = source
}

func (l *loader) fail(key, value, source, want string) {
	l.errs = append(l.errs, &Error{Key: key, Value: value, Source: source, Want: want})
}

// foreignEnv matches variables that Kubernetes and Docker links set in every
// container beside a service with the name wasup. They are not settings and must
// not be reported as unknown.
var foreignEnv = regexp.MustCompile(`^WASUP_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func (l *loader) env(environ []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || name == EnvFile || foreignEnv.MatchString(name) {
			continue
		}
		if key, known := l.byEnv[name]; known {
			l.set(l.byName[key], value, name)
			continue
		}
		l.fail(name, "", "environment", "is not a variable of wasup"+didYouMean(name, slices.Collect(maps.Keys(l.byEnv))))
	}
}

func envFile(environ []string) string {
	for _, entry := range environ {
		if value, found := strings.CutPrefix(entry, EnvFile+"="); found {
			return value
		}
	}
	return ""
}

func (l *loader) flags(flags map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if f, known := l.byName[name]; known {
			l.set(f, flags[name], "--"+name)
			continue
		}
		l.unknownKey(name, "--"+name)
	}
}

func (l *loader) unknownKey(name, source string) {
	l.fail(name, "", source, "is not a key of the configuration"+didYouMean(name, slices.Collect(maps.Keys(l.byName))))
}

// check validates every value by itself, then the values that depend on each
// other. origin maps keys to their sources.
func check(c *Config, origin map[string]string) []error {
	var errs []error
	for _, f := range fields() {
		if !f.check(c) {
			errs = append(errs, &Error{Key: f.name, Value: f.shown(f.get(c)), Source: origin[f.name], Want: "expected " + f.want})
		}
	}
	if c.QR.WaitersPerSession > c.QR.WaitersTotal {
		errs = append(errs, &Error{
			Key: "qr.waiters_per_session", Value: fmt.Sprint(c.QR.WaitersPerSession), Source: origin["qr.waiters_per_session"],
			Want: fmt.Sprintf("expected no more than qr.waiters_total, which is %d", c.QR.WaitersTotal),
		})
	}
	if c.Media.MaxTotal < c.Media.MaxSize {
		errs = append(errs, &Error{
			Key: "media.max_total", Value: formatSize(c.Media.MaxTotal), Source: origin["media.max_total"],
			Want: "expected at least media.max_size, which is " + formatSize(c.Media.MaxSize),
		})
	}
	if strings.Contains(c.WhatsApp.Proxy, "{n}") && c.WhatsApp.ProxyPoolSize == 0 {
		errs = append(errs, &Error{
			Key: "whatsapp.proxy_pool_size", Value: "0", Source: origin["whatsapp.proxy_pool_size"],
			Want: "expected 1 or more, because {n} is used in whatsapp.proxy",
		})
	}
	for _, pair := range []struct {
		low, high   string
		least, most time.Duration
	}{
		{"session.backoff_min", "session.backoff_max", c.Session.BackoffMin, c.Session.BackoffMax},
		{"webhooks.retry_min", "webhooks.retry_max", c.Webhooks.RetryMin, c.Webhooks.RetryMax},
	} {
		if pair.least > pair.most {
			errs = append(errs, &Error{
				Key: pair.low, Value: formatDuration(pair.least), Source: origin[pair.low],
				Want: "expected no more than " + pair.high + ", which is " + formatDuration(pair.most),
			})
		}
	}
	return errs
}
