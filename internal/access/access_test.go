package access

import "testing"

func policy() *Policy {
	return New(Options{
		Listen: "127.0.0.5:3001", Hosts: []string{"wasup.example", "Other.Example.:8443", "192.0.2.7", "[2001:db8::7]:80", ""},
		Origins: []string{"https://app.example", "http://desk.example:8080", "null", ""},
	})
}

func TestAListenerAnswersToItsOwnHostsOnly(t *testing.T) {
	t.Parallel()
	p := policy()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:3001": true, "LOCALHOST:9": true, "localhost.": true, "localhost.:3001": true,
		"127.0.0.1": true, "127.0.0.1:3001": true, "[::1]": true, "[::1]:3001": true, "[0:0:0:0:0:0:0:1]:3001": true, "[::ffff:127.0.0.1]": true,
		"127.0.0.5:3001": true, "wasup.example": true, "WASUP.example:443": true, "other.example": true, "192.0.2.7:3001": true, "[2001:db8::7]": true,
		"": false, ":3001": false, "evil.example": false, "evil.example:3001": false, "localhost.evil.example": false, "evil.localhost": false,
		"127.0.0.2": false, "127.0.0.1.evil.example": false, "wasup.example.evil.example": false, "localhost:3001:1": false, "0.0.0.0:3001": false,
		"localhost@evil.example": false, "evil.example#localhost": false, "[::1": true, "2130706433": false,
	} {
		if got := p.Check(&Request{Method: "GET", Host: host}) == Allowed; got != want {
			t.Errorf("%q: %v, expected %v", host, got, want)
		}
	}
	for forwarded, want := range map[string]Verdict{"wasup.example": Allowed, "localhost:3001": Allowed, "evil.example": WrongHost} {
		if got := p.Check(&Request{Method: "GET", Host: "localhost", Forwarded: forwarded}); got != want {
			t.Errorf("forwarded for %q: %v, expected %v", forwarded, got, want)
		}
	}
}

// A kubelet calls the address of the pod, and a load balancer may send no host. No page can.
func TestProbesMayUseAnyAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]Verdict{
		"10.1.2.3:3001": Allowed, "[2001:db8::1]:3001": Allowed, "": Allowed, "localhost": Allowed, "evil.example:3001": WrongHost, "10.1.2.3.evil.example": WrongHost,
	} {
		if got := policy().Check(&Request{Method: "GET", Host: host, Monitor: true}); got != want {
			t.Errorf("%q: %v, expected %v", host, got, want)
		}
	}
	if got := policy().Check(&Request{Method: "GET", Host: "10.1.2.3:3001", Monitor: true, Origin: "http://10.1.2.4"}); got != OtherPage {
		t.Errorf("a page of another address reads a probe: %v", got)
	}
}

func TestPagesOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		r    Request
		want Verdict
	}{
		{"a caller that is no browser", Request{}, Allowed},
		{"a page of ours", Request{Site: "same-origin", Origin: "http://localhost:3001"}, Allowed},
		{"an address that was typed", Request{Site: "none"}, Allowed},
		{"a page of ours in an old browser", Request{Origin: "http://localhost:3001"}, Allowed},
		{"another port of the same host", Request{Origin: "http://localhost:8080"}, OtherPage},
		{"another name of this machine", Request{Origin: "http://127.0.0.1:3001"}, OtherPage},
		{"another site", Request{Origin: "https://evil.example"}, OtherPage},
		{"an origin that is hidden", Request{Origin: "null"}, OtherPage},
		{"no origin at all", Request{Origin: "evil"}, OtherPage},
		{"an image of another site", Request{Site: "cross-site", Mode: "no-cors", Dest: "image"}, OtherPage},
		{"an image of the same site", Request{Site: "same-site", Mode: "no-cors", Dest: "image"}, OtherPage},
		{"a word of a later standard", Request{Site: "future"}, OtherPage},
		{"a frame", Request{Page: true, Site: "cross-site", Mode: "navigate", Dest: "iframe"}, OtherPage},
		{"a link to a page", Request{Page: true, Site: "cross-site", Mode: "navigate", Dest: "document"}, Allowed},
		{"a form that is sent to a page", Request{Method: "POST", Page: true, Site: "cross-site", Mode: "navigate", Dest: "document", Origin: "https://evil.example"}, OtherPage},
		{"a link to an operation", Request{Site: "cross-site", Mode: "navigate", Dest: "document"}, OtherPage},
		{"a page behind a proxy that replaced the host", Request{Origin: "https://wasup.example"}, Allowed},
		{"the same on another port", Request{Origin: "https://wasup.example:8443"}, Allowed},
		{"behind a proxy that kept it", Request{Host: "wasup.example", Origin: "https://wasup.example:8443"}, Allowed},
		{"another port of a proxy's host", Request{Host: "wasup.example:443", Origin: "https://wasup.example:8443"}, OtherPage},
		{"behind a proxy that forwards it", Request{Forwarded: "wasup.example:8443", Origin: "https://wasup.example:8443"}, Allowed},
		{"a listed origin", Request{Site: "cross-site", Origin: "https://app.example"}, Allowed},
		{"a listed origin with its port", Request{Site: "same-site", Origin: "http://desk.example:8080"}, Allowed},
		{"a listed origin in an old browser", Request{Origin: "https://app.example:443"}, Allowed},
		{"a listed host with another scheme", Request{Site: "cross-site", Origin: "http://app.example"}, OtherPage},
		{"a listed host with another port", Request{Site: "cross-site", Origin: "http://desk.example"}, OtherPage},
		{"below a listed host", Request{Site: "cross-site", Origin: "https://x.app.example"}, OtherPage},
	} {
		if c.r.Host == "" {
			c.r.Host = "localhost:3001"
		}
		if c.r.Method == "" {
			c.r.Method = "GET"
		}
		if got := policy().Check(&c.r); got != c.want {
			t.Errorf("%s: %v, expected %v", c.what, got, c.want)
		}
	}
	if !policy().HasOrigins() || New(Options{}).HasOrigins() || policy().Listed("null") || policy().Listed("") {
		t.Error("the listed origins are wrong")
	}
}
