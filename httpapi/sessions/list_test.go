package sessions_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/sessions"
	"wasup/internal/session"
)

// fleet is a hundred sessions in different states.
func fleet() apitest.Scripted {
	var all []session.Status
	for i := range 100 {
		s := apitest.Plain(session.ID(fmt.Sprintf("s%02d", i)), session.Ready, session.CauseConnected)
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
	return apitest.Behind(all...)
}

func list(t testing.TB, r *apitest.Rig, query string) sessions.List {
	t.Helper()
	answer := r.Do(t, "GET", "/v1/sessions?"+query, "")
	if answer.Status != 200 {
		t.Fatalf("%s: %d %s", query, answer.Status, answer.Body)
	}
	var out sessions.List
	if err := json.Unmarshal([]byte(answer.Body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAListIsFilteredByWhatSessionsAre(t *testing.T) {
	t.Parallel()
	f := fleet()
	r := apitest.NewRig(t, httpapi.Config{}, &f)
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
		if list := list(t, r, query); list.Total != want || len(list.Items) != min(want, 50) || (list.NextCursor != "") != (want > 50) {
			t.Errorf("%s: %d items of %d, cursor %q; expected %d", query, len(list.Items), list.Total, list.NextCursor, want)
		}
	}
	for _, query := range []string{
		"limit=0", "limit=501", "limit=x", "limit=", "state=ready", "state=", "cause=bored", "desired=READY", "cursor=x", "cursor=", "cursor=MTpObw",
		"stat=READY", "limit=1&limit=2", "metadata.=x", "metadata.team=a&metadata.team=b", "metadata=x", "q=" + strings.Repeat("x", 101),
	} {
		if answer := r.Do(t, "GET", "/v1/sessions?"+query, ""); answer.Status != 400 || !strings.Contains(answer.Body, `"field":"`) {
			t.Errorf("%s: %d %s", query, answer.Status, answer.Body)
		}
	}
}

func TestPagesTogetherAreTheWholeList(t *testing.T) {
	t.Parallel()
	f := fleet()
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for _, limit := range []int{1, 7, 50, 99, 100, 500} {
		seen, cursor := 0, ""
		for {
			page := list(t, r, fmt.Sprintf("limit=%d%s", limit, cursor))
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

func BenchmarkV1StatusRoute(b *testing.B) {
	f := apitest.Behind(apitest.Full())
	r := apitest.NewRig(b, httpapi.Config{Now: time.Now}, &f)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if answer, err := r.Try("GET", "/v1/sessions/shop/status", ""); err != nil || answer.Status != 200 {
				b.Fatalf("%d %s %v", answer.Status, answer.Body, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
