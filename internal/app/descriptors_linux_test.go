package app

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"wasup/configs"
	"wasup/internal/app/apptest"
	"wasup/internal/sandbox"
)

// Each number is far beyond what the process can hold: 512 descriptors.
const (
	fewFiles = 512
	crowd    = 600
)

// crowdOf opens connections that send nothing. The test closes them at its end at the latest.
func crowdOf(t *testing.T, address string) (leave func()) {
	t.Helper()
	var open []net.Conn
	leave = func() {
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
	}
	t.Cleanup(leave)
	for range crowd {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	return leave
}

// pairedChild is a wasup in a process with few descriptors, with session 1 READY since a certain time.
func pairedChild(t *testing.T, change func(*configs.Config)) (child *apptest.Child, api apptest.Caller, since string) {
	t.Helper()
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	change(&cfg)
	h := open(t, server, cfg, seams{})
	h.linked(1)
	h.close()
	child, api = apptest.ServeChildWithFiles(t, cfg, fewFiles)
	apptest.Until(t, "the session is READY", func() bool { return api.Get("/status", 1).Is(200).Fields["state"] == "READY" })
	return child, api, api.Get("/v1/sessions/1/status", 1).Is(200).Text("connected_at")
}

func staysReady(t *testing.T, api apptest.Caller, since string) {
	t.Helper()
	api.Get("/v1/sessions/1/status", 1).Is(200).With("state", "READY", "connected_at", since)
}

func TestIdleConnectionsBeyondTheDescriptorsLockNobodyOut(t *testing.T) {
	_, api, since := pairedChild(t, func(*configs.Config) {})
	leave := crowdOf(t, strings.TrimPrefix(api.Base, "http://"))
	api.Idle()
	api.Get("/health", 1).Is(200)
	scraped := string(api.Get("/metrics", 1).Is(200).Body)
	for _, line := range []string{"wasup_http_connections_max 128\n", "wasup_http_connections_refused_total 0\n", "wasup_http_accept_failures_total 0\n"} {
		if !strings.Contains(scraped, line) {
			t.Errorf("the metrics lack %q", line)
		}
	}
	leave()
	api.Get("/health", 1).Is(200)
	staysReady(t, api, since)
}

// With more connections than descriptors, accept itself fails.
func TestAProcessWithoutDescriptorsGoesOn(t *testing.T) {
	child, api, since := pairedChild(t, func(cfg *configs.Config) { cfg.HTTP.MaxConnections = 10_000 })
	leave := crowdOf(t, strings.TrimPrefix(api.Base, "http://"))
	child.Says(regexp.MustCompile(`no file descriptor left.*limit=512`))
	leave()
	api.Get("/health", 1).Is(200)
	staysReady(t, api, since)
	if n := strings.Count(child.Stderr.String(), "no file descriptor left"); n != 1 {
		t.Errorf("the shortage was logged %d times", n)
	}
	if !strings.Contains(child.Stderr.String(), "http.max_connections leaves few file descriptors") {
		t.Error("the start does not warn")
	}
	if strings.Contains(string(api.Get("/metrics", 1).Is(200).Body), "wasup_http_accept_failures_total 0\n") {
		t.Error("no failure was counted")
	}
}
