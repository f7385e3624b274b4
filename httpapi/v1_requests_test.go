package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/httpapi/qr/qrtest"
	"wasup/internal/session"
)

// fleet is a hundred sessions of different kinds.
func fleet() scripted {
	var all []session.Status
	for i := range 100 {
		s := plain(session.ID(fmt.Sprintf("s%02d", i)), session.Ready, session.CauseConnected)
		s.Settings.Metadata = map[string]string{"team": string(rune('a' + i%4)), "a.b": "x y"}
		s.Settings.Name = fmt.Sprintf("Shop %d", i)
		switch i % 10 {
		case 0:
			s.State, s.Cause = session.DisconnectedLogout, session.CauseReplaced
		case 1:
			s.State, s.Cause, s.Desired = session.NotInitialized, session.CauseStopped, session.DesiredStop
		}
		all = append(all, s)
	}
	return behind(all...)
}

func (r *rig) list(t testing.TB, query string) v1SessionList {
	t.Helper()
	answer := r.do(t, "GET", "/v1/sessions?"+query, "")
	if answer.status != 200 {
		t.Fatalf("%s: %d %s", query, answer.status, answer.body)
	}
	var out v1SessionList
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAListIsFilteredByWhatSessionsAre(t *testing.T) {
	t.Parallel()
	f := fleet()
	r := newRig(t, Config{}, &f)
	for query, want := range map[string]int{
		"":                                   100,
		"state=READY":                        80,
		"state=DISCONNECTED_LOGOUT":          10,
		"cause=stopped":                      10,
		"desired=stop":                       10,
		"desired=run":                        90,
		"state=READY&desired=stop":           0,
		"metadata.team=a":                    25,
		"metadata.team=a&metadata.a.b=x+y":   25,
		"metadata.team=nobody":               0,
		"metadata.other=":                    0,
		"q=s1":                               10,
		"q=SHOP%201":                         11,
		"q=hop":                              0,
		"state=READY&metadata.team=b&q=s4":   2,
		"q=" + url.QueryEscape("s1' OR 1=1"): 0,
	} {
		if list := r.list(t, query); list.Total != want || len(list.Items) != min(want, 50) || (list.NextCursor != "") != (want > 50) {
			t.Errorf("%s: %d items of %d, cursor %q; expected %d", query, len(list.Items), list.Total, list.NextCursor, want)
		}
	}
	for _, query := range []string{
		"limit=0", "limit=501", "limit=x", "limit=", "state=ready", "state=", "cause=bored", "desired=READY", "cursor=x", "cursor=", "cursor=MTpObw",
		"stat=READY", "limit=1&limit=2", "metadata.=x", "metadata.team=a&metadata.team=b", "metadata=x", "q=" + strings.Repeat("x", 101),
	} {
		if answer := r.do(t, "GET", "/v1/sessions?"+query, ""); answer.status != 400 || !strings.Contains(answer.body, `"field":"`) {
			t.Errorf("%s: %d %s", query, answer.status, answer.body)
		}
	}
}

func TestPagesTogetherAreTheWholeList(t *testing.T) {
	t.Parallel()
	f := fleet()
	r := newRig(t, Config{}, &f)
	for _, limit := range []int{1, 7, 50, 99, 100, 500} {
		seen, cursor := 0, ""
		for {
			page := r.list(t, fmt.Sprintf("limit=%d%s", limit, cursor))
			for _, item := range page.Items {
				if item.ID != fmt.Sprintf("s%02d", seen) {
					t.Fatalf("%s at place %d", item.ID, seen)
				}
				seen++
			}
			if page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + page.NextCursor
		}
		if seen != 100 {
			t.Errorf("pages of %d have %d sessions", limit, seen)
		}
	}
}

func TestAPageNeitherRepeatsNorSkipsWhileSessionsComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.IntRange(10, 99), 1, 30, rapid.ID).Draw(t, "ids")
		there := make(map[int]bool)
		for _, id := range ids {
			there[id] = true
		}
		after, lasting := session.ID(""), make(map[int]bool)
		for id := range there {
			lasting[id] = true
		}
		seen := make(map[int]bool)
		for {
			var items []session.ID
			for id := 10; id < 100; id++ {
				if there[id] {
					items = append(items, session.NumericID(int64(id)))
				}
			}
			page, next := pageOf(items, after, rapid.IntRange(1, 10).Draw(t, "limit"), func(id session.ID) session.ID { return id })
			for _, id := range page {
				n, _ := id.Numeric()
				if seen[int(n)] {
					t.Fatalf("%d twice", n)
				}
				seen[int(n)] = true
			}
			if next == "" {
				break
			}
			after = page[len(page)-1]
			id := rapid.IntRange(10, 99).Draw(t, "comes or goes")
			there[id] = !there[id]
			delete(lasting, id)
		}
		for id := range lasting {
			if !seen[id] {
				t.Fatalf("%d was there all the time and is on no page", id)
			}
		}
	})
}

func TestTheFormatIsTheOneThatTheCallerLikesBest(t *testing.T) {
	formats := []string{contentJSON, contentPNG, contentSVG, contentText}
	for accept, want := range map[string]string{
		"":                                     contentJSON,
		"*/*":                                  contentJSON,
		"*":                                    contentJSON,
		"image/png":                            contentPNG,
		"IMAGE/PNG":                            contentPNG,
		"image/*":                              contentPNG,
		"text/*;q=0.9, image/svg+xml;q=0.8":    contentText,
		"image/png;q=0.1,image/svg+xml;q=0.2":  contentSVG,
		"image/*, image/png;q=0":               contentSVG,
		"*/*;q=0.1, text/plain":                contentText,
		"*/*, application/json;q=0":            contentPNG,
		"text/html, application/json; q=0.001": contentJSON,
		"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8": contentPNG,
		"image/png;charset=x;q=0.5, text/plain;q=0.6":                      contentText,
		"image/gif":            "",
		"application/json;q=0": "",
		"image/png;q=2":        "",
		"image/png;q=x":        "",
		"image/png;q=NaN":      "",
		";;,,":                 "",
	} {
		if got := acceptable(accept, formats); got != want {
			t.Errorf("%q: %q, expected %q", accept, got, want)
		}
	}
}

func TestAPageOfAnotherOriginChangesNothing(t *testing.T) {
	t.Parallel()
	f := behind(full())
	r := newRig(t, Config{}, &f)
	own := "Origin: " + r.base
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 200},
		{[]string{own}, 200},
		{[]string{own, "Sec-Fetch-Site: same-origin"}, 200},
		{[]string{"Sec-Fetch-Site: none"}, 200},
		{[]string{"Origin: https://app.example", "X-Forwarded-Host: app.example"}, 200},
		{[]string{"Origin: https://evil.example"}, 403},
		{[]string{"Origin: null"}, 403},
		{[]string{own, "Sec-Fetch-Site: cross-site"}, 403},
		{[]string{own, "Sec-Fetch-Site: same-site"}, 403},
	} {
		answer := r.do(t, "POST", "/v1/sessions/shop/stop", "", c.header...)
		if answer.status != c.status || (c.status == 403 && !strings.Contains(answer.body, `"code":"cross_origin"`)) {
			t.Errorf("%v: %d %s", c.header, answer.status, answer.body)
		}
	}
	if answer := r.do(t, "GET", "/v1/sessions/shop", "", "Origin: https://evil.example"); answer.status != 200 || answer.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a read: %d %v", answer.status, answer.header)
	}
}

// raster makes a picture of modules for a decoder that shares nothing with who drew them.
func raster(t *testing.T, side int, dark func(x, y int) bool) []byte {
	t.Helper()
	const scale = 4
	picture := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	for y := range side * scale {
		for x := range side * scale {
			shade := color.Gray{Y: 255}
			if dark(x/scale, y/scale) {
				shade.Y = 0
			}
			picture.SetGray(x, y, shade)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEveryFormatOfACodeSaysTheCode(t *testing.T) {
	t.Parallel()
	f := behind(pairing("a"))
	f.requestQR = func(context.Context, session.ID) session.QRAnswer {
		return session.QRAnswer{Outcome: session.OutcomeQR, State: session.QRRequired, Cause: session.CausePairing, QR: pairing("a").QR}
	}
	r := newRig(t, Config{}, &f)
	get := func(accept string) string {
		answer := r.do(t, "GET", "/v1/sessions/a/qr", "", "Accept: "+accept)
		if answer.status != 200 || !strings.HasPrefix(answer.header.Get("Content-Type"), accept) || answer.header.Get("Vary") != "Accept" ||
			answer.header.Get("X-QR-Sequence") != "1" || answer.header.Get("X-QR-Expires-At") != "2026-01-04T12:34:56Z" {
			t.Fatalf("%s: %d %v", accept, answer.status, answer.header)
		}
		return answer.body
	}
	if got := qrtest.Decode(t, []byte(get(contentPNG))); got != qrtest.Code {
		t.Errorf("PNG: %s", got)
	}

	lines := strings.Split(strings.TrimSuffix(get(contentText), "\n"), "\n")
	var rows [][]bool // of light modules
	for _, line := range lines {
		var upper, lower []bool
		for _, char := range line {
			upper = append(upper, char == '█' || char == '▀')
			lower = append(lower, char == '█' || char == '▄')
		}
		rows = append(rows, upper, lower)
	}
	side := len(rows[0])
	if got := qrtest.Decode(t, raster(t, side, func(x, y int) bool { return !rows[y][x] })); got != qrtest.Code {
		t.Errorf("text: %s", got)
	}

	svg := get(contentSVG)
	dark := make(map[[2]int]bool)
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg, -1) {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(run[i+1])
		}
		if n[2] != n[3] {
			t.Fatalf("a run that does not close: %s", run[0])
		}
		for x := n[0]; x < n[0]+n[2]; x++ {
			dark[[2]int{x, n[1]}] = true
		}
	}
	if !strings.HasPrefix(svg, fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"`, side, side)) {
		t.Errorf("SVG begins with %.100s", svg)
	}
	if got := qrtest.Decode(t, raster(t, side, func(x, y int) bool { return dark[[2]int{x, y}] })); got != qrtest.Code {
		t.Errorf("SVG: %s", got)
	}
}

func TestReadingACodeOnTheCompatibilityRoutesKeepsThePairingAttended(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/qr", "/status", "/api/session-manager/sessions/sender_51"} {
		for state, want := range map[session.State]int{session.QRRequired: 1, session.Ready: 0} {
			s := pairing("51")
			s.State = state
			f := behind(s)
			r := newRig(t, Config{}, &f)
			r.do(t, "GET", path, "", client51)
			if watched := f.watches.all(); len(watched) != want {
				t.Errorf("%s in %s: watched %v", path, state, watched)
			}
		}
	}
}

func TestTwoPatchesAtTheSameTimeDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	f := behind()
	var mu sync.Mutex
	stored := plain("a", session.Ready, session.CauseConnected)
	slots := &changing{scripted: &f, read: func() session.Status {
		mu.Lock()
		defer mu.Unlock()
		return stored
	}}
	f.settle = func(_ context.Context, _ string, _ session.ID, settings session.Settings) (session.Status, error) {
		mu.Lock()
		defer mu.Unlock()
		stored.Settings = settings
		return stored, nil
	}
	r := newRig(t, Config{}, &f)
	r.deps.Sessions = slots
	const patches = 40
	var wg sync.WaitGroup
	for i := range patches {
		wg.Go(func() {
			if answer, err := r.try("PATCH", "/v1/sessions/a", fmt.Sprintf(`{"metadata":{"k%d":"v"}}`, i)); err != nil || answer.status != 200 {
				t.Errorf("%d %s %v", answer.status, answer.body, err)
			}
		})
	}
	wg.Wait()
	if len(stored.Settings.Metadata) != patches {
		t.Errorf("%d of %d patches are left", len(stored.Settings.Metadata), patches)
	}
}

// changing is scripted sessions of which one changes.
type changing struct {
	*scripted
	read func() session.Status
}

func (c *changing) Status(session.ID) (session.Status, bool) { return c.read(), true }

func TestAShutdownAnswersThoseWhoWaitForAPairingCode(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	f := behind(plain("a", session.Initializing, session.CauseStarting))
	f.link = func(ctx context.Context, _ string, id session.ID, _ string) (string, time.Time, error) {
		close(began)
		<-ctx.Done()
		return "", time.Time{}, &session.Error{Code: session.CodeTimeout, Session: id, Err: ctx.Err()}
	}
	r := newRig(t, Config{LinkTimeout: time.Hour}, &f)
	answered := make(chan reply, 1)
	go func() {
		answer, _ := r.try("POST", "/v1/sessions/a/pairing-code", `{"phone":"5491155550101"}`)
		answered <- answer
	}()
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if answer := <-answered; answer.status != 503 || answer.body != literal(t, "v1/shutting_down") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}

// What Go takes for JSON is refused only where a name comes twice or it is nested too deep, and always with a reason.
func FuzzWellFormed(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, `{"a":1,"a":2}`, `[`, `{"a"`, `{} {}`, `{"a":1}x`, `"\ud800"`, `1e999`, `[[[[]]]]`, `nul`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		err := wellFormed(body)
		if err == nil || !json.Valid(body) {
			return
		}
		if p := problemOf(err); p.status != 400 || (!strings.Contains(p.detail, "once") && !strings.Contains(p.detail, "nested")) {
			t.Errorf("%q is refused: %v", body, err)
		}
	})
}

func BenchmarkV1StatusRoute(b *testing.B) {
	f := behind(full())
	r := newRig(b, Config{Now: time.Now}, &f)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if answer, err := r.try("GET", "/v1/sessions/shop/status", ""); err != nil || answer.status != 200 {
				b.Fatalf("%d %s %v", answer.status, answer.body, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
