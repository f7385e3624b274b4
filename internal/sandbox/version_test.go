package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"wasup/internal/sandbox"
)

func TestTheFrontPageNamesTheNewestRevision(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	page := func() (int, string) {
		t.Helper()
		url := "http" + strings.TrimSuffix(strings.TrimPrefix(server.URL(), "ws"), sandbox.Path) + "/"
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		defer http.DefaultClient.CloseIdleConnections()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, _ := page(); status != http.StatusNotFound {
		t.Errorf("status %d without a version", status)
	}
	server.Versions().SetLeast(sandbox.Version{2, 3000, 7})
	if status, body := page(); status != http.StatusOK || !strings.Contains(body, `"client_revision":7,`) {
		t.Errorf("%d %s", status, body)
	}
	server.Versions().SetWeb(sandbox.Version{2, 3000, 9})
	if _, body := page(); !strings.Contains(body, `"client_revision":9,`) {
		t.Error(body)
	}
	if n := server.Counters().WebPages; n != 3 {
		t.Errorf("%d pages counted", n)
	}
}

func TestVersionsAreOrderedPartByPart(t *testing.T) {
	ordered := []sandbox.Version{{}, {2, 2999, 9}, {2, 3000, 1}, {2, 3000, 2}, {3, 0, 0}}
	for i, a := range ordered {
		for j, b := range ordered {
			if a.Before(b) != (i < j) {
				t.Errorf("%s before %s: %t", a, b, a.Before(b))
			}
		}
	}
}
