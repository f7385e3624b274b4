package httpapi_test

import (
	"strings"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
)

func TestABodyInPiecesIsHeldToTheSameLimits(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Full())
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 100}, &f)
	const head = "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	pieces := "Transfer-Encoding: chunked\r\n\r\n"
	long := strings.Repeat("x", 101)
	for what, test := range map[string]struct {
		request string
		cut     bool
		status  int
	}{
		"pieces":                     {head + pieces + "8\r\n{\"id\":\"n\r\n3\r\new\"\r\n1\r\n}\r\n0\r\n\r\n", false, 201},
		"too many pieces":            {head + pieces + "65\r\n" + long + "\r\n", false, 413},
		"a piece that is cut":        {head + pieces + "8\r\n{\"id", true, 400},
		"a size that is none":        {head + pieces + "zz\r\n", false, 400},
		"a body that is cut":         {head + "Content-Length: 50\r\n\r\n{\"id", true, 400},
		"too large, by its own word": {head + "Content-Length: 100000\r\n\r\n" + strings.Repeat(" ", 10_000), false, 413},
		"as large as is allowed":     {head + "Content-Length: 100\r\n\r\n" + `{"id":"new"` + strings.Repeat(" ", 88) + "}", false, 201},
	} {
		if answer := r.Raw(t, test.request, test.cut); answer.Status != test.status {
			t.Errorf("%s: %d %s", what, answer.Status, answer.Body)
		}
	}
}

func TestTheRestOfARefusedBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 10}, &apitest.Scripted{})
	const hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	answer := r.Raw(t, "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n"+strings.Repeat(" ", 32)+"\r\n"+hidden, true)
	requests, _ := r.Observer.Snapshot()
	if answer.Status != 413 || answer.Header.Get("Connection") != "close" || len(requests) != 1 {
		t.Errorf("%d, Connection %q, %d requests", answer.Status, answer.Header.Get("Connection"), len(requests))
	}
}
