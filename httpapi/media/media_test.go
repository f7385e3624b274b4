package media_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

func TestTheFileOfAMessageIsServedAsWhatItIs(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	f.Fetched = &atomic.Int64{}
	f.Incoming = map[string]message.Media{
		"picture":  {ID: "picture", Mime: "image/png", Size: 4, SHA256: "abc", File: "\x89PNG"},
		"invoice":  {ID: "invoice", Mime: "application/pdf", Name: `..\añejo "1".pdf`, Size: 3, SHA256: "def", File: "PDF"},
		"page":     {ID: "page", Mime: "text/html; charset=utf-8", Name: "/etc/x.html", Size: 8, File: "<script>"},
		"nonsense": {ID: "nonsense", Mime: "no type", Size: 1, File: "x"},
		"later":    {ID: "later", Mime: "image/png", Size: 4, SHA256: "abc"},
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for name, want := range map[string][3]string{
		"picture":  {"\x89PNG", "image/png", `inline; filename=picture.png`},
		"invoice":  {"PDF", "application/pdf", `attachment; filename*=utf-8''a%C3%B1ejo%20%221%22.pdf`},
		"page":     {"<script>", "text/html", `attachment; filename=x.html`},
		"nonsense": {"x", "application/octet-stream", `attachment; filename=nonsense`},
	} {
		answer := r.Do(t, "GET", "/v1/sessions/a/media/"+name, "", "Accept: image/*")
		if answer.Status != 200 || answer.Body != want[0] || answer.Header.Get("Content-Type") != want[1] || answer.Header.Get("Content-Disposition") != want[2] {
			t.Errorf("%s: %d %q %v", name, answer.Status, answer.Body, answer.Header)
		}
		if answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: a browser may take it for something else: %v", name, answer.Header)
		}
	}
	before := f.Fetched.Load()
	same := r.Do(t, "GET", "/v1/sessions/a/media/picture", "", `If-None-Match: "x", W/"abc"`)
	head := r.Do(t, "HEAD", "/v1/sessions/a/media/invoice", "")
	if same.Status != 304 || same.Body != "" || same.Header.Get("ETag") != `"abc"` {
		t.Errorf("unchanged: %d %q %v", same.Status, same.Body, same.Header)
	}
	if head.Status != 200 || head.Header.Get("Content-Length") != "3" || head.Header.Get("Content-Type") != "application/pdf" {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}
	if f.Fetched.Load() != before {
		t.Error("something was fetched that nobody asked for")
	}
	for path, want := range map[string]int{"/v1/sessions/a/media/none": 410, "/v1/sessions/b/media/picture": 404, "/v1/sessions/a/media/later": 409, "/v1/sessions/a/media/picture?x=1": 400} {
		answer := r.Do(t, "GET", path, "")
		if answer.Status != want || answer.Header.Get("ETag") != "" || answer.Header.Get("Content-Disposition") != "" || answer.Header.Get("Content-Type") != rest.ContentProblem {
			t.Errorf("%s: %d %s %v", path, answer.Status, answer.Body, answer.Header)
		}
	}
}

func keptRig(t *testing.T) (r *apitest.Rig, fetched, closed *atomic.Int64) {
	t.Helper()
	f := apitest.Behind(apitest.Plain("a", session.NotInitialized, session.CauseNone))
	f.Fetched, f.Closed = &atomic.Int64{}, &atomic.Int64{}
	f.Incoming = map[string]message.Media{
		"film":    {ID: "film", Mime: "video/mp4", Size: 10, SHA256: "abc"},
		"page":    {ID: "page", Mime: "image/svg+xml", Size: 6, SHA256: "def"},
		"waiting": {ID: "waiting", Mime: "video/mp4", Size: 4, SHA256: "ghi", File: "MP4!"},
		"broken":  {ID: "broken", Mime: "video/mp4", Size: 4, SHA256: "jkl", File: "MP4!"},
	}
	f.KeptFiles = map[string]string{"film": "0123456789", "page": "<svg/>"}
	return apitest.NewRig(t, httpapi.Config{}, &f), f.Fetched, f.Closed
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
		answer := r.Do(t, "GET", "/v1/sessions/a/media/film", "", test.header...)
		if answer.Status != test.status || answer.Status < 300 && answer.Body != test.body || answer.Header.Get("Content-Range") != test.part {
			t.Errorf("%d, %q: %d %q %v", i, test.header, answer.Status, answer.Body, answer.Header)
		}
		if answer.Status < 300 && (answer.Header.Get("Accept-Ranges") != "bytes" || answer.Header.Get("X-Media-Kept") != "kept" ||
			answer.Header.Get("ETag") != `"abc"` || answer.Header.Get("Content-Length") != strconv.Itoa(len(test.body))) {
			t.Errorf("%d, %q: %v", i, test.header, answer.Header)
		}
		if answer.Status == 416 && (answer.Header.Get("Content-Type") != rest.ContentProblem || answer.Header.Get("ETag") != "" || answer.Header.Get("Accept-Ranges") != "") {
			t.Errorf("%d, %q: %v", i, test.header, answer.Header)
		}
	}
	head := r.Do(t, "HEAD", "/v1/sessions/a/media/film", "", "Range: bytes=0-3")
	if head.Status != 200 || head.Header.Get("Content-Length") != "10" || head.Header.Get("Accept-Ranges") != "bytes" || head.Header.Get("X-Media-Kept") != "kept" {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}
	if fetched.Load() != 0 {
		t.Error("a kept file was fetched")
	}
	// 19 answers opened the file: a part, the whole, or a refusal. The 304 opens nothing.
	if closed.Load() != 19 {
		t.Errorf("%d files were closed, want 19", closed.Load())
	}
}

func TestAFileThatIsNotKeptIsServedWhole(t *testing.T) {
	t.Parallel()
	r, _, _ := keptRig(t)
	answer := r.Do(t, "GET", "/v1/sessions/a/media/waiting", "", "Range: bytes=0-1")
	if answer.Status != 200 || answer.Body != "MP4!" || answer.Header.Get("Accept-Ranges") != "none" || answer.Header.Get("X-Media-Kept") != "waiting" {
		t.Errorf("%d %q %v", answer.Status, answer.Body, answer.Header)
	}
	answer = r.Do(t, "GET", "/v1/sessions/a/media/broken", "")
	if answer.Status != 503 || answer.Header.Get("ETag") != "" || answer.Header.Get("Content-Type") != rest.ContentProblem {
		t.Errorf("%d %q %v", answer.Status, answer.Body, answer.Header)
	}
}

func TestAKeptPictureThatIsAProgramIsNotShown(t *testing.T) {
	t.Parallel()
	r, _, _ := keptRig(t)
	answer := r.Do(t, "GET", "/v1/sessions/a/media/page", "")
	if answer.Status != 200 || answer.Header.Get("Content-Disposition") != "attachment; filename=page" ||
		answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
}
