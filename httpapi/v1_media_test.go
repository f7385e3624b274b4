package httpapi

import (
	"sync/atomic"
	"testing"

	"wasup/session"
)

func TestTheFileOfAMessageIsServedAsWhatItIs(t *testing.T) {
	t.Parallel()
	f := behind(plain("a", session.Ready, session.CauseConnected))
	f.fetched = &atomic.Int64{}
	f.incoming = map[string]session.Media{
		"picture":  {ID: "picture", Mime: "image/png", Size: 4, SHA256: "abc", File: "\x89PNG"},
		"invoice":  {ID: "invoice", Mime: "application/pdf", Name: `..\añejo "1".pdf`, Size: 3, SHA256: "def", File: "PDF"},
		"page":     {ID: "page", Mime: "text/html; charset=utf-8", Name: "/etc/x.html", Size: 8, File: "<script>"},
		"nonsense": {ID: "nonsense", Mime: "no type", Size: 1, File: "x"},
		"later":    {ID: "later", Mime: "image/png", Size: 4, SHA256: "abc"},
	}
	r := newRig(t, Config{}, &f)
	for name, want := range map[string][3]string{
		"picture":  {"\x89PNG", "image/png", `inline; filename=picture.png`},
		"invoice":  {"PDF", "application/pdf", `attachment; filename*=utf-8''a%C3%B1ejo%20%221%22.pdf`},
		"page":     {"<script>", "text/html", `attachment; filename=x.html`},
		"nonsense": {"x", "application/octet-stream", `attachment; filename=nonsense`},
	} {
		answer := r.do(t, "GET", "/v1/sessions/a/media/"+name, "", "Accept: image/*")
		if answer.status != 200 || answer.body != want[0] || answer.header.Get("Content-Type") != want[1] || answer.header.Get("Content-Disposition") != want[2] {
			t.Errorf("%s: %d %q %v", name, answer.status, answer.body, answer.header)
		}
		if answer.header.Get("X-Content-Type-Options") != "nosniff" || answer.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: a browser may take it for something else: %v", name, answer.header)
		}
	}
	before := f.fetched.Load()
	same := r.do(t, "GET", "/v1/sessions/a/media/picture", "", `If-None-Match: "x", W/"abc"`)
	head := r.do(t, "HEAD", "/v1/sessions/a/media/invoice", "")
	if same.status != 304 || same.body != "" || same.header.Get("ETag") != `"abc"` {
		t.Errorf("unchanged: %d %q %v", same.status, same.body, same.header)
	}
	if head.status != 200 || head.header.Get("Content-Length") != "3" || head.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	if f.fetched.Load() != before {
		t.Error("something was fetched that nobody asked for")
	}
	for path, want := range map[string]int{"/v1/sessions/a/media/none": 410, "/v1/sessions/b/media/picture": 404, "/v1/sessions/a/media/later": 409, "/v1/sessions/a/media/picture?x=1": 400} {
		answer := r.do(t, "GET", path, "")
		if answer.status != want || answer.header.Get("ETag") != "" || answer.header.Get("Content-Disposition") != "" || answer.header.Get("Content-Type") != contentProblem {
			t.Errorf("%s: %d %s %v", path, answer.status, answer.body, answer.header)
		}
	}
}
