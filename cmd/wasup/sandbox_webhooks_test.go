package main

import (
	"strings"
	"testing"

	"wasup/internal/app/apptest"
)

// A receiver for experiments is on this machine. Whatever the operator has said about private networks counts all the same.
func TestASandboxAllowsWebhooksToThisMachineByDefaultOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what     string
		flags    []string
		loopback int // the status of a webhook to this machine
		private  int // and of one to a private network
		said     bool
	}{
		{"the default", nil, 201, 400, true},
		{"forbidden by the flag", []string{"--webhooks.allow_private=false"}, 400, 400, false},
		{"forbidden by its own flag", []string{"--webhooks.allow_loopback=false"}, 400, 400, false},
		{"everything is allowed", []string{"--webhooks.allow_private=true"}, 201, 201, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			child := apptest.StartChild(t, append([]string{"serve", "--sandbox", "--sandbox.admin", "127.0.0.1:0", "--http.listen", "127.0.0.1:0"}, c.flags...)...)
			apptest.Until(t, "the addresses are printed", func() bool { return strings.Contains(child.Stdout.String(), "Ctrl-C") })
			api := apptest.NewCaller(t, appAt.FindStringSubmatch(child.Stdout.String())[1])
			for _, host := range []string{"127.0.0.1", "[::1]"} {
				api.Post("/v1/webhooks", 1, `{"url":"http://`+host+`:9/hook"}`).Is(c.loopback)
			}
			for _, host := range []string{"10.1.2.3", "192.168.0.1", "169.254.169.254"} {
				api.Post("/v1/webhooks", 1, `{"url":"http://`+host+`/hook"}`).Is(c.private)
			}
			if said := strings.Contains(child.Stdout.String(), "Webhooks to this machine are allowed"); said != c.said {
				t.Errorf("the start says %s", child.Stdout.String())
			}
		})
	}
}
