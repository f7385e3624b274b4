package configs

import (
	"bytes"
	"encoding/hex"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite default.yaml")

func TestTheDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestTheFixedKeysHaveTheirDefaults(t *testing.T) {
	want := map[string][2]string{
		"http.listen":              {"127.0.0.1:3001", "WASUP_HTTP_LISTEN"},
		"store.dsn":                {"sqlite:./data/wasup.db", "WASUP_STORE_DSN"},
		"store.max_conns":          {"20", "WASUP_STORE_MAX_CONNS"},
		"store.idle_conns":         {"5", "WASUP_STORE_IDLE_CONNS"},
		"store.timeout":            {"30s", "WASUP_STORE_TIMEOUT"},
		"qr.wait":                  {"30s", "WASUP_QR_WAIT"},
		"whatsapp.websocket_url":   {"wss://web.whatsapp.com/ws/chat", "WASUP_WHATSAPP_WEBSOCKET_URL"},
		"whatsapp.root_public_key": {"142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b", "WASUP_WHATSAPP_ROOT_PUBLIC_KEY"},
		"log.level":                {"info", "WASUP_LOG_LEVEL"},
		"log.format":               {"text", "WASUP_LOG_FORMAT"},
	}
	for _, k := range Keys() {
		if w, fixed := want[k.Name]; fixed {
			if k.Default != w[0] || k.Env != w[1] {
				t.Errorf("%s: default %q, variable %q; want %q", k.Name, k.Default, k.Env, w)
			}
			delete(want, k.Name)
		}
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}

func TestTheRootKeyIsTheSameInHexAndInBytes(t *testing.T) {
	if got := hex.EncodeToString(whatsAppRootKey[:]); got != WhatsAppRootPublicKey {
		t.Fatalf("bytes %s, constant %s", got, WhatsAppRootPublicKey)
	}
}

func TestTheDefaultFileIsWhatDefaultWrites(t *testing.T) {
	var want bytes.Buffer
	if err := Default().Write(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("default.yaml", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(DefaultYAML(), want.Bytes()) {
		t.Fatal("default.yaml differs from what Default writes; run go generate ./configs")
	}
}

func TestTheDefaultFileLoadsAsTheDefault(t *testing.T) {
	got, err := Load(Sources{File: "default.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if got != Default() {
		t.Fatalf("got %+v\nwant %+v", got, Default())
	}
}

// The test reads the file with the YAML library only, to notice a key that both Write
// and Load have forgotten.
func TestEveryKeyIsInTheDefaultFileUnderAComment(t *testing.T) {
	var sections map[string]map[string]string
	if err := yaml.Unmarshal(DefaultYAML(), &sections); err != nil {
		t.Fatal(err)
	}
	inFile := 0
	for _, keys := range sections {
		inFile += len(keys)
	}
	keys := Keys()
	if inFile != len(keys) {
		t.Errorf("%d keys in the file, %d in Keys", inFile, len(keys))
	}
	lines := strings.Split(string(DefaultYAML()), "\n")
	for _, k := range keys {
		section, name, _ := strings.Cut(k.Name, ".")
		if got := sections[section][name]; got != k.Default {
			t.Errorf("%s is %q in the file, its default is %q", k.Name, got, k.Default)
		}
		if k.Unit == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s lacks a unit or a sentence: %q, %q", k.Name, k.Unit, k.Doc)
		}
		for i, line := range lines {
			if strings.HasPrefix(line, "  "+name+": ") && !strings.HasPrefix(lines[i-1], "  #") {
				t.Errorf("%s has no comment above it", k.Name)
			}
		}
	}
}

// Exactly one key must set each leaf of Config.
func TestEveryFieldOfConfigHasItsKey(t *testing.T) {
	changes := map[string]string{
		"http.listen": "[::1]:1", "http.body_limit": "2KiB", "http.hosts": "wasup.example, 192.0.2.1:80",
		"http.trusted_proxies": "127.0.0.1, 10.0.0.0/8", "http.cors_origins": "https://app.example", "store.dsn": "sqlite:other",
		"whatsapp.websocket_url":   "ws://127.0.0.1:9/ws/chat",
		"whatsapp.root_public_key": strings.Repeat("0f", 32),
		"whatsapp.proxy":           "socks5://user-{id}:pw@proxy.example:1080",
		"media.dir":                "/srv/media", "media.max_size": "50MiB", "media.max_total": "2GiB", "media.allow_private": "true", "media.keep": "48h",
		"media.keep_incoming_total": "5GiB", "media.keep_incoming_max_size": "8MiB", "media.keep_incoming_kinds": "image, voice",
		"contacts.ttl": "2h", "contacts.per_minute": "10",
		"boot.rate": "1.5", "log.level": "debug", "log.format": "json", "metrics.per_session": "true",
		"webhooks.allow_private": "true", "webhooks.allow_loopback": "true", "memory.headroom": "32MiB", "events.memory": "1MiB",
	}
	flags := map[string]string{}
	for i, k := range Keys() {
		value, given := changes[k.Name]
		switch {
		case given:
		case strings.HasPrefix(k.Unit, "duration"):
			value = (time.Duration(i+1)*time.Second + time.Millisecond).String()
		default:
			value = "117"
		}
		if value == k.Default {
			t.Fatalf("%s: pick a value that is not the default", k.Name)
		}
		flags[k.Name] = value
	}
	flags["qr.waiters_total"] = "999999"
	got, err := Load(Sources{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	if leaf := unchangedLeaf(got, Default()); leaf != "" {
		t.Fatalf("no key sets %s", leaf)
	}
	for _, k := range Keys() {
		single, err := Load(Sources{Flags: map[string]string{k.Name: flags[k.Name]}})
		if k.Name == "qr.waiters_per_session" || k.Name == "session.backoff_min" || k.Name == "webhooks.retry_min" {
			continue // valid only together with another key
		}
		if err != nil || single == Default() {
			t.Errorf("%s = %q changes nothing (error %v)", k.Name, flags[k.Name], err)
		}
	}
}

func TestWhatIsWrittenLoadsAgain(t *testing.T) {
	want, err := Load(Sources{Flags: map[string]string{
		"http.listen": "[::1]:80", "store.dsn": "sqlite:/tmp/a # b: 'c' \"d\".db", "qr.wait": "1m30s",
		"http.body_limit": "1025", "log.level": "warn", "metrics.per_session": "true", "boot.jitter": "0s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := want.Write(&out); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "effective.yaml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(Sources{File: path})
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	if got != want {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

func TestSecretsAreMaskedWhereverTheyAreShown(t *testing.T) {
	for _, dsn := range []string{
		"postgres:host=db password=hunter2",
		"host=db password=hunter2",
		"postgres://u:hunt%er2hunter2@db/wasup",
		"sqlite3://u:hunter2@db",
	} {
		c := Default()
		c.Store.DSN = dsn
		var out bytes.Buffer
		if err := c.Write(&out); err != nil {
			t.Fatal(err)
		}
		err := c.Validate()
		if err == nil {
			t.Fatalf("%s is valid", dsn)
		}
		_, loadErr := Load(Sources{Env: []string{"WASUP_STORE_DSN=" + dsn}})
		for _, text := range []string{out.String(), err.Error(), loadErr.Error()} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("the password of %s is in %q", dsn, text)
			}
		}
	}
	c := Default()
	c.WhatsApp.Proxy, c.WhatsApp.ProxyPoolSize = "socks5://user-{id}:hunter2@proxy-{n}.example:1080", 3
	var out bytes.Buffer
	if err := c.Write(&out); err != nil || strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "proxy: socks5://user-{id}:xxxxx@proxy-{n}.example:1080") {
		t.Errorf("%v in\n%s", err, out.String())
	}
	for _, dsn := range []string{
		"postgres://u:hunter2@db:5432/wasup", "postgres://u@db/wasup?password=hunter2", "postgresql:///wasup?host=/run&password=hunter2",
	} {
		c, err := Load(Sources{Env: []string{"WASUP_STORE_DSN=" + dsn}})
		var out bytes.Buffer
		if err != nil || c.Store.DSN != dsn || c.Write(&out) != nil || strings.Contains(out.String(), "hunter2") {
			t.Errorf("%s: %v, %q, written as\n%s", dsn, err, c.Store.DSN, out.String())
		}
	}
	for given, want := range map[string]string{
		"sqlite:/var/lib/wasup.db": "sqlite:/var/lib/wasup.db", "./data/wasup.db": "./data/wasup.db", "sqlite3:data/wasup.db": "sqlite3:data/wasup.db",
		"postgres://u:hunter2@db:5432/wasup?sslmode=verify-full&sslrootcert=/etc/ca.pem&password=hunter2&x=hunter2": "postgres://u:xxxxx@db:5432/wasup?password=xxxxx&sslmode=verify-full&sslrootcert=/etc/ca.pem&x=xxxxx",
		"postgres:///wasup?host=/run/postgresql": "postgres:///wasup?host=/run/postgresql",
		"host=db password=hunter2":               "xxxxx", "postgres:hunter2": "postgres:xxxxx", "/u:hunter2@db": "xxxxx",
	} {
		c := Default()
		c.Store.DSN = given
		var out strings.Builder
		if err := c.Write(&out); err != nil || !strings.Contains(out.String(), "\n  dsn: "+want+"\n") {
			t.Errorf("%s is not shown as %s: %v", given, want, err)
		}
	}
	if got := maskURL("postgres://u:p@db:5432/wasup"); got != "postgres://u:xxxxx@db:5432/wasup" {
		t.Errorf("masked too much: %s", got)
	}
}

func TestValidateCatchesWhatWasSetInCode(t *testing.T) {
	c := Default()
	c.Log.Level = slog.Level(3)
	c.WhatsApp.RootPublicKey = [32]byte{}
	c.Send.Queue = 0
	err := c.Validate()
	for _, key := range []string{"log.level", "whatsapp.root_public_key", "send.queue"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not in %v", key, err)
		}
	}
}
