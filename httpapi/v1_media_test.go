package httpapi

import (
	"strconv"
	"sync/atomic"
	"testing"

	"wasup/internal/session"
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

func keptRig(t *testing.T) (r *rig, fetched, closed *atomic.Int64) {
	t.Helper()
	f := behind(plain("a", session.NotInitialized, session.CauseNone))
	f.fetched, f.closed = &atomic.Int64{}, &atomic.Int64{}
	f.incoming = map[string]session.Media{
		"film":    {ID: "film", Mime: "video/mp4", Size: 10, SHA256: "abc"},
		"page":    {ID: "page", Mime: "image/svg+xml", Size: 6, SHA256: "def"},
		"waiting": {ID: "waiting", Mime: "video/mp4", Size: 4, SHA256: "ghi", File: "MP4!"},
		"broken":  {ID: "broken", Mime: "video/mp4", Size: 4, SHA256: "jkl", File: "MP4!"},
	}
	f.kept = map[string]string{"film": "0123456789", "page": "<svg/>"}
	return newRig(t, Config{}, &f), f.fetched, f.closed
}

func TestAKeptFileIsServedInParts(t *testing.T) {
	t.Parallel()
	r, fetched, closed := keptRig(t)
	for i, test := range []struct {
		header []string
		status int
		body   string
		part   string
	}{
		{nil, 200, "0123456789", ""},
		{[]string{"Range: bytes=0-3"}, 206, "0123", "bytes 0-3/10"},
		{[]string{"Range: bytes=8-"}, 206, "89", "bytes 8-9/10"},
		{[]string{"Range: bytes=8-100"}, 206, "89", "bytes 8-9/10"},
		{[]string{"Range: bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{[]string{"Range: bytes=-300"}, 206, "0123456789", "bytes 0-9/10"},
		{[]string{"Range: bytes=10-"}, 416, "", "bytes */10"},
		{[]string{"Range: bytes=-0"}, 416, "", "bytes */10"},
		{[]string{"Range: bytes=5-3"}, 200, "0123456789", ""},
		{[]string{"Range: bytes=0-1,4-5"}, 200, "0123456789", ""},
		{[]string{"Range: bytes=-"}, 200, "0123456789", ""},
		{[]string{"Range: bytes=+1-2"}, 200, "0123456789", ""},
		{[]string{"Range: bytes=1-99999999999999999999"}, 200, "0123456789", ""},
		{[]string{"Range: lines=0-3"}, 200, "0123456789", ""},
		{[]string{"Range: bytes=0-3", `If-Range: "abc"`}, 206, "0123", "bytes 0-3/10"},
		{[]string{"Range: bytes=0-3", `If-Range: "old"`}, 200, "0123456789", ""},
		{[]string{"Range: bytes=0-3", `If-Range: W/"abc"`}, 200, "0123456789", ""},
		{[]string{"Range: bytes=0-3", "If-Range: Sun, 04 Jan 2026 12:00:00 GMT"}, 200, "0123456789", ""},
		{[]string{"Range: bytes=0-3", `If-None-Match: "abc"`}, 304, "", ""},
	} {
		answer := r.do(t, "GET", "/v1/sessions/a/media/film", "", test.header...)
		if answer.status != test.status || answer.status < 300 && answer.body != test.body || answer.header.Get("Content-Range") != test.part {
			t.Errorf("%d, %q: %d %q %v", i, test.header, answer.status, answer.body, answer.header)
		}
		if answer.status < 300 && (answer.header.Get("Accept-Ranges") != "bytes" || answer.header.Get("X-Media-Kept") != "kept" ||
			answer.header.Get("ETag") != `"abc"` || answer.header.Get("Content-Length") != strconv.Itoa(len(test.body))) {
			t.Errorf("%d, %q: %v", i, test.header, answer.header)
		}
		if answer.status == 416 && (answer.header.Get("Content-Type") != contentProblem || answer.header.Get("ETag") != "" || answer.header.Get("Accept-Ranges") != "") {
			t.Errorf("%d, %q: %v", i, test.header, answer.header)
		}
	}
	head := r.do(t, "HEAD", "/v1/sessions/a/media/film", "", "Range: bytes=0-3")
	if head.status != 200 || head.header.Get("Content-Length") != "10" || head.header.Get("Accept-Ranges") != "bytes" || head.header.Get("X-Media-Kept") != "kept" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	if fetched.Load() != 0 {
		t.Error("a kept file was fetched")
	}
	// 19 answers with a part of the file, its whole, or a refusal; the one that is unchanged opens nothing.
	if closed.Load() != 19 {
		t.Errorf("%d files were closed, want 19", closed.Load())
	}
}

func TestAFileThatIsNotKeptIsServedWhole(t *testing.T) {
	t.Parallel()
	r, _, _ := keptRig(t)
	answer := r.do(t, "GET", "/v1/sessions/a/media/waiting", "", "Range: bytes=0-1")
	if answer.status != 200 || answer.body != "MP4!" || answer.header.Get("Accept-Ranges") != "none" || answer.header.Get("X-Media-Kept") != "waiting" {
		t.Errorf("%d %q %v", answer.status, answer.body, answer.header)
	}
	answer = r.do(t, "GET", "/v1/sessions/a/media/broken", "")
	if answer.status != 503 || answer.header.Get("ETag") != "" || answer.header.Get("Content-Type") != contentProblem {
		t.Errorf("%d %q %v", answer.status, answer.body, answer.header)
	}
}

func TestAKeptPictureThatIsAProgramIsNotShown(t *testing.T) {
	t.Parallel()
	r, _, _ := keptRig(t)
	answer := r.do(t, "GET", "/v1/sessions/a/media/page", "")
	if answer.status != 200 || answer.header.Get("Content-Disposition") != "attachment; filename=page" ||
		answer.header.Get("X-Content-Type-Options") != "nosniff" || answer.header.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
		t.Errorf("%d %v", answer.status, answer.header)
	}
}
