package routes

import (
	"net/url"
	"testing"

	"wasup/internal/session"
)

func TestASessionsPlaceInThePoolStays(t *testing.T) {
	const size = 7
	seen := map[string]int{}
	for _, id := range []session.ID{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "a", "b", "c", "d", "e", "f"} {
		got := expand("http://{id}@proxy-{n}.example:100{n}", id, size)
		if got != expand("http://{id}@proxy-{n}.example:100{n}", id, size) {
			t.Errorf("%s moved", id)
		}
		u, err := url.Parse(got)
		if err != nil || u.User.Username() != string(id) {
			t.Fatalf("%q, %v", got, err)
		}
		seen[u.Host]++
	}
	for host := range seen {
		if host < "proxy-0.example:1000" || host > "proxy-6.example:1006" {
			t.Errorf("outside the pool: %s", host)
		}
	}
	if len(seen) < size-2 {
		t.Errorf("18 sessions share %d of %d proxies", len(seen), size)
	}
	// Pinned: if a session moved to another proxy at an upgrade, WhatsApp would see it at another address.
	if got := expand("{n}", "51", 100); got != "27" {
		t.Errorf("51 is at %s", got)
	}
}
