package session

import (
	"strings"
	"testing"
)

func TestAProxyNeedsAPortThatExists(t *testing.T) {
	for _, proxy := range []string{"socks5://u:secret@h.example:1080", "http://h.example", "https://h.example:65535", "http://[::1]:1"} {
		if err := (Settings{Proxy: proxy}).Check(); err != nil {
			t.Errorf("%s: %v", proxy, err)
		}
	}
	for _, proxy := range []string{"socks5://u:secret@h.example:99999", "http://u:secret@h.example:0", "http://u:secret@[::1]:65536", "http://u:secret@h.example:184467440737095516160"} {
		if err := (Settings{Proxy: proxy}).Check(); CodeOf(err) != CodeInvalidRequest || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", proxy, err)
		}
	}
}
