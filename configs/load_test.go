package configs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// unchangedLeaf returns the name of a leaf that is equal in a and b, or "".
func unchangedLeaf(a, b Config) string {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		for j := range va.Field(i).NumField() {
			if va.Field(i).Field(j).Interface() == vb.Field(i).Field(j).Interface() {
				return va.Type().Field(i).Name + "." + va.Field(i).Type().Field(j).Name
			}
		}
	}
	return ""
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wasup.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsWinOverEnvironmentOverFileOverDefault(t *testing.T) {
	src := Sources{}
	wait := func() time.Duration {
		t.Helper()
		c, err := Load(src)
		if err != nil {
			t.Fatal(err)
		}
		return c.QR.Wait
	}
	got := []time.Duration{wait()}
	src.File = write(t, "qr:\n  wait: 10s\n")
	got = append(got, wait())
	src.Env = []string{"WASUP_QR_WAIT=11s", "PATH=/bin"}
	got = append(got, wait())
	src.Flags = map[string]string{"qr.wait": "12s"}
	got = append(got, wait())
	if want := []time.Duration{30 * time.Second, 10 * time.Second, 11 * time.Second, 12 * time.Second}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestTheFileCanBeNamedInTheEnvironment(t *testing.T) {
	path := write(t, "log: {level: error}")
	c, err := Load(Sources{Env: []string{"WASUP_CONFIG=" + path}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Log.Level.String() != "ERROR" {
		t.Fatalf("level %s", c.Log.Level)
	}
	if _, err := Load(Sources{File: write(t, ""), Env: []string{"WASUP_CONFIG=/nowhere"}}); err != nil {
		t.Fatalf("a file given directly must win: %v", err)
	}
}

func TestEmptySectionsAndFilesSayNothing(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "http:\nqr:\n  # wait: 1s\n", "{}", "http.listen: 127.0.0.1:3001\n"} {
		c, err := Load(Sources{File: write(t, text)})
		if err != nil || c != Default() {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBadInputNamesKeyValueSourceAndExpectation(t *testing.T) {
	const loopback = "expected a loopback host and a port, such as 127.0.0.1:3001 (other addresses need API keys, which do not exist yet)"
	tests := []struct {
		name string
		src  Sources
		want string
	}{
		{"open listener", Sources{Env: []string{"WASUP_HTTP_LISTEN=0.0.0.0:3001"}}, `http.listen = "0.0.0.0:3001" (WASUP_HTTP_LISTEN): ` + loopback},
		{"every interface", Sources{Flags: map[string]string{"http.listen": ":3001"}}, `http.listen = ":3001" (--http.listen): ` + loopback},
		{"port out of range", Sources{Flags: map[string]string{"http.listen": "127.0.0.1:99999"}}, `http.listen = "127.0.0.1:99999" (--http.listen): ` + loopback},
		{"no port", Sources{Flags: map[string]string{"http.listen": "127.0.0.1"}}, `http.listen = "127.0.0.1" (--http.listen): ` + loopback},
		{"a number without unit", Sources{File: "qr:\n  wait: 30\n"}, `qr.wait = "30" (wasup.yaml:2): expected a duration from 1ms to 1h with its unit, such as 30s`},
		{"a negative duration", Sources{Flags: map[string]string{"qr.wait": "-1s"}}, `qr.wait = "-1s" (--qr.wait): expected a duration from 1ms to 1h with its unit, such as 30s`},
		{"a short key", Sources{Env: []string{"WASUP_WHATSAPP_ROOT_PUBLIC_KEY=abcd"}}, `whatsapp.root_public_key = "abcd" (WASUP_WHATSAPP_ROOT_PUBLIC_KEY): expected 64 hex digits, not all zero`},
		{"a key of zeros", Sources{Env: []string{"WASUP_WHATSAPP_ROOT_PUBLIC_KEY=" + strings.Repeat("0", 64)}}, `whatsapp.root_public_key = "` + strings.Repeat("0", 64) + `" (WASUP_WHATSAPP_ROOT_PUBLIC_KEY): expected 64 hex digits, not all zero`},
		{"another protocol", Sources{Flags: map[string]string{"whatsapp.websocket_url": "https://web.whatsapp.com"}}, `whatsapp.websocket_url = "https://web.whatsapp.com" (--whatsapp.websocket_url): expected a ws:// or wss:// URL with a host and without user, password or fragment`},
		{"a password in the URL", Sources{Flags: map[string]string{"whatsapp.websocket_url": "wss://u:p@host/"}}, `whatsapp.websocket_url = "wss://u:xxxxx@host/" (--whatsapp.websocket_url): expected a ws:// or wss:// URL with a host and without user, password or fragment`},
		{"another database", Sources{Flags: map[string]string{"store.dsn": "mysql://db/x"}}, `store.dsn = "mysql://db/x" (--store.dsn): expected sqlite:PATH, such as sqlite:./data/wasup.db, or a postgres:// URL`},
		{"no path", Sources{Flags: map[string]string{"store.dsn": "sqlite:"}}, `store.dsn = "sqlite:" (--store.dsn): expected sqlite:PATH, such as sqlite:./data/wasup.db, or a postgres:// URL`},
		{"a proxy of another kind", Sources{Flags: map[string]string{"whatsapp.proxy": "ftp://u:hunter2@proxy-{id}.example"}}, `whatsapp.proxy = "ftp://u:xxxxx@proxy-{id}.example" (--whatsapp.proxy): expected a URL such as socks5://user-{id}:password@proxy-{n}.example:1080, with the scheme http, https or socks5 and no placeholders but {id} and {n}`},
		{"a port of the websocket beyond the last", Sources{Flags: map[string]string{"whatsapp.websocket_url": "wss://host:99999/"}}, `whatsapp.websocket_url = "wss://host:99999/" (--whatsapp.websocket_url): expected a ws:// or wss:// URL with a host and without user, password or fragment`},
		{"a port of the database beyond the last", Sources{Flags: map[string]string{"store.dsn": "postgres://h:99999/d"}}, `store.dsn = "postgres://h:99999/d" (--store.dsn): expected sqlite:PATH, such as sqlite:./data/wasup.db, or a postgres:// URL`},
		{"a port of the proxy beyond the last", Sources{Flags: map[string]string{"whatsapp.proxy": "http://proxy-{id}.example:99999"}}, `whatsapp.proxy = "http://proxy-{id}.example:99999" (--whatsapp.proxy): expected a URL such as socks5://user-{id}:password@proxy-{n}.example:1080, with the scheme http, https or socks5 and no placeholders but {id} and {n}`},
		{"another placeholder", Sources{Flags: map[string]string{"whatsapp.proxy": "http://proxy-{m}.example"}}, `whatsapp.proxy = "http:xxxxx" (--whatsapp.proxy): expected a URL such as socks5://user-{id}:password@proxy-{n}.example:1080, with the scheme http, https or socks5 and no placeholders but {id} and {n}`},
		{"a pool without a size", Sources{Flags: map[string]string{"whatsapp.proxy": "http://proxy-{n}.example"}}, `whatsapp.proxy_pool_size = "0": expected 1 or more, because {n} is used in whatsapp.proxy`},
		{"a level", Sources{File: "log:\n  level: verbose\n"}, `log.level = "verbose" (wasup.yaml:2): expected one of debug, info, warn, error`},
		{"a format", Sources{File: "log:\n  format: xml\n"}, `log.format = "xml" (wasup.yaml:2): expected one of text, json`},
		{"a word for a number", Sources{File: "send: {queue: many}"}, `send.queue = "many" (wasup.yaml:1): expected a whole number from 1 to 1000000`},
		{"a size", Sources{File: "http:\n  body_limit: 1 MB\n"}, `http.body_limit = "1 MB" (wasup.yaml:2): expected a size from 1KiB to 1GiB, such as 1MiB or 1048576`},
		{"a size that overflows", Sources{File: "http:\n  body_limit: 9223372036854775807GiB\n"}, `http.body_limit = "9223372036854775807GiB" (wasup.yaml:2): expected a size from 1KiB to 1GiB, such as 1MiB or 1048576`},
		{"not a rate", Sources{File: "boot: {rate: .nan}"}, `boot.rate = ".nan" (wasup.yaml:1): expected a number from 0.01 to 100000`},
		{"NaN", Sources{Flags: map[string]string{"boot.rate": "NaN"}}, `boot.rate = "NaN" (--boot.rate): expected a number from 0.01 to 100000`},
		{"a spelled boolean", Sources{File: "metrics: {per_session: yes}"}, `metrics.per_session = "yes" (wasup.yaml:1): expected true or false`},
		{"nothing", Sources{Env: []string{"WASUP_QR_TTL="}}, `qr.ttl (WASUP_QR_TTL): is empty; expected a duration from 1ms to 1h with its unit, such as 30s (leave it out for the default)`},
		{"null", Sources{File: "qr:\n  ttl:\n"}, `qr.ttl (wasup.yaml:2): is empty; expected a duration from 1ms to 1h with its unit, such as 30s (leave it out for the default)`},
		{"a list", Sources{File: "qr:\n  ttl: [1s]\n"}, `qr.ttl (wasup.yaml:2): expected a duration from 1ms to 1h with its unit, such as 30s, found a list or a section`},
		{"a value for a section", Sources{File: "http: 3001"}, `http (wasup.yaml:1): is a section; expected keys below it, such as http.listen`},
		{"no mapping", Sources{File: "- a\n- b\n"}, `the file (wasup.yaml:1): is a section; expected keys below it, such as http.listen`},
		{"given twice", Sources{File: "qr:\n  ttl: 1s\n  ttl: 2s\n"}, `qr.ttl (wasup.yaml:3): is given twice`},
		{"an alias", Sources{File: "qr: &a\n  ttl: 1s\nhttp: *a\n"}, `http (wasup.yaml:3): expected a value as it stands, found a YAML alias`},
		{"a slip in the file", Sources{File: "htpp:\n  lisen: 127.0.0.1:1\n"}, `htpp.lisen (wasup.yaml:2): is not a key of the configuration; did you mean http.listen?`},
		{"a slip in a section", Sources{File: "qr:\n  wiat: 1s\n"}, `qr.wiat (wasup.yaml:2): is not a key of the configuration; did you mean qr.wait?`},
		{"a key without section", Sources{File: "listen: 127.0.0.1:1\n"}, `listen (wasup.yaml:1): is not a key of the configuration; did you mean http.listen?`},
		{"a slip in the environment", Sources{Env: []string{"WASUP_HTTP_LISTN=hunter2"}}, `WASUP_HTTP_LISTN (environment): is not a variable of wasup; did you mean WASUP_HTTP_LISTEN?`},
		{"a slip in a flag", Sources{Flags: map[string]string{"log.levle": "info"}}, `log.levle (--log.levle): is not a key of the configuration; did you mean log.level?`},
		{"nothing near", Sources{Flags: map[string]string{"zzzzzzzz.zzzzzzzzzz": "1"}}, `zzzzzzzz.zzzzzzzzzz (--zzzzzzzz.zzzzzzzzzz): is not a key of the configuration`},
		{"too many for one", Sources{Flags: map[string]string{"qr.waiters_per_session": "300", "qr.waiters_total": "299"}}, `qr.waiters_per_session = "300" (--qr.waiters_per_session): expected no more than qr.waiters_total, which is 299`},
		{"a webhook's pauses upside down", Sources{Flags: map[string]string{"webhooks.retry_min": "1h"}}, `webhooks.retry_min = "1h" (--webhooks.retry_min): expected no more than webhooks.retry_max, which is 15m`},
		{"a backoff upside down", Sources{Flags: map[string]string{"session.backoff_min": "2m"}}, `session.backoff_min = "2m" (--session.backoff_min): expected no more than session.backoff_max, which is 1m`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.src.File != "" {
				test.src.File = write(t, test.src.File)
			}
			c, err := Load(test.src)
			if err == nil || err.Error() != test.want {
				t.Fatalf("got  %v\nwant %s", err, test.want)
			}
			if c != (Config{}) {
				t.Fatal("a refused configuration was returned")
			}
			var one *Error
			if !errors.As(err, &one) || one.Key == "" {
				t.Fatalf("%T is no *Error with a key", err)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	_, err := Load(Sources{
		File:  write(t, "http:\n  listen: 0.0.0.0:1\nnope:\n  a: 1\n  b: 2\n"),
		Env:   []string{"WASUP_LOG_LEVEL=loud", "WASUP_NOPE=1"},
		Flags: map[string]string{"qr.wait": "0s", "nope": "1"},
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T", err)
	}
	got := make([]string, 0, 7)
	for _, e := range joined.Unwrap() {
		var one *Error
		if !errors.As(e, &one) {
			t.Fatalf("%T", e)
		}
		got = append(got, one.Key)
	}
	want := []string{"nope.a", "nope.b", "log.level", "WASUP_NOPE", "nope", "http.listen", "qr.wait"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestFilesThatCannotBeReadAreNamed(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing.yaml")
	broken := write(t, "qr:\n  wait: \"hunter2\n")
	two := write(t, "{}\n---\n{}\n")
	large := write(t, strings.Repeat("# a comment that goes on\n", maxFile/20))
	for path, want := range map[string]string{
		missing: missing + " (configuration file): cannot be read: no such file or directory",
		folder:  folder + " (configuration file): is a folder; expected a YAML file",
		broken:  broken + " (configuration file): is not YAML near line 2",
		two:     two + " (configuration file): expected one YAML document, found more",
		large:   large + " (configuration file): is larger than 1MiB",
	} {
		if _, err := Load(Sources{File: path}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestVariablesOfAServiceThatIsCalledWasupAreNotOurs(t *testing.T) {
	c, err := Load(Sources{Env: []string{
		"WASUP_SERVICE_HOST=10.0.0.1", "WASUP_SERVICE_PORT=3001", "WASUP_SERVICE_PORT_HTTP=3001", "WASUP_PORT=tcp://10.0.0.1:3001",
		"WASUP_PORT_3001_TCP=tcp://10.0.0.1:3001", "WASUP_PORT_3001_TCP_PROTO=tcp", "WASUP_PORT_3001_TCP_PORT=3001", "WASUP_PORT_3001_TCP_ADDR=10.0.0.1",
	}})
	if err != nil || c != Default() {
		t.Fatal(err)
	}
}

func TestAnyFileIsEitherAValidConfigurationOrAnError(t *testing.T) {
	lines := strings.Split(string(DefaultYAML()), "\n")
	path := filepath.Join(t.TempDir(), "wasup.yaml")
	rapid.Check(t, func(rt *rapid.T) {
		mixed := make([]string, 0, 40)
		for range rapid.IntRange(0, 40).Draw(rt, "lines") {
			if rapid.Bool().Draw(rt, "ours") {
				mixed = append(mixed, rapid.SampledFrom(lines).Draw(rt, "line"))
			} else {
				mixed = append(mixed, rapid.StringMatching(`[ a-z&*:\[\]{}"'<|>-]{0,20}`).Draw(rt, "noise"))
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(mixed, "\n")), 0o600); err != nil {
			rt.Fatal(err)
		}
		c, err := Load(Sources{File: path})
		if err == nil && c.Validate() != nil {
			rt.Fatalf("loaded, but not valid: %v", c.Validate())
		}
		if err != nil && c != (Config{}) {
			rt.Fatal("an error and a configuration")
		}
	})
}
