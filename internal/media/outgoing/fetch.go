package outgoing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"syscall"
	"time"

	"wasup/internal/egress"
	"wasup/internal/message"
	"wasup/internal/session"
)

const (
	opFetch      = "fetch file"
	maxRedirects = 5
	stepTimeout  = 15 * time.Second // for each of: connecting, the TLS handshake, the header of the response
)

var (
	errDowngrade = errors.New("a redirect to an address that is not allowed")
	errRedirects = errors.New("too many redirects")
)

// newClient makes the HTTP client for URLs in requests. It follows redirects, and the guard checks each new address.
func newClient(private bool) *http.Client {
	transport := egress.NewGuard(private).Transport(stepTimeout)
	transport.ResponseHeaderTimeout = stepTimeout
	transport.DisableKeepAlives = true // keep no connection to an unknown server
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) > maxRedirects:
				return errRedirects
			case !fetchable(req.URL), via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https":
				return errDowngrade
			}
			return nil
		},
	}
}

func fetchable(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && session.HasValidPort(u)
}

// Fetch downloads the file at an http or https URL and stores it like Put. Errors beside those of Put: CodeFetchRefused
// if the URL leads to a network that wasup may not reach, CodeFetchFailed.
func (s *Folder) Fetch(ctx context.Context, address string, hint message.FileHint) (message.Media, error) {
	u, err := url.Parse(address)
	if err != nil || !fetchable(u) {
		return message.Media{}, &session.Error{
			Code: session.CodeInvalidRequest, Op: opFetch, Field: "media.url", // the field's name in a message
			Message: "media.url: expected an http or https address without user and password, and a port from 1 to 65535 if it has one",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return message.Media{}, s.fetchError(ctx, ctx.Err())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return message.Media{}, s.fetchError(ctx, err)
	}
	req.Header.Set("User-Agent", "wasup")
	req.Header.Set("Accept", "*/*")
	resp, err := s.client.Do(req)
	if err != nil {
		return message.Media{}, s.fetchError(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode != http.StatusOK:
		return message.Media{}, failed(fmt.Sprintf("the address answered with HTTP %d", resp.StatusCode), nil)
	case resp.ContentLength > s.maxSize:
		return message.Media{}, tooLarge(opFetch, s.maxSize)
	}
	return s.Put(ctx, &answer{s, ctx, resp.Body}, fetchedHint(resp, hint))
}

// answer reads a response and turns network errors into CodeFetchFailed. Put would take them for errors of an upload.
type answer struct {
	folder *Folder
	ctx    context.Context
	body   io.Reader
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.folder.fetchError(a.ctx, err)
	}
	return n, err
}

// fetchedHint completes the caller's hint with the headers and the URL of the response.
func fetchedHint(resp *http.Response, hint message.FileHint) message.FileHint {
	if hint.Mime == "" {
		hint.Mime = resp.Header.Get("Content-Type")
	}
	if hint.Name == "" {
		hint.Name = message.FileNameIn(resp.Header.Get("Content-Disposition"))
	}
	if hint.Name == "" {
		if last := path.Base(resp.Request.URL.Path); last != "." && last != "/" {
			hint.Name = last
		}
	}
	return hint
}

func failed(msg string, err error) error {
	return &session.Error{Code: session.CodeFetchFailed, Op: opFetch, Message: msg, Err: err}
}

// fetchError wraps an error with its code and one sentence. The sentence does not repeat the URL, which may hold a
// secret.
func (s *Folder) fetchError(ctx context.Context, err error) error {
	var (
		dns  *net.DNSError
		link *url.Error
	)
	if errors.As(err, &link) {
		err = link.Err // the error inside does not have the URL
	}
	switch {
	case errors.Is(err, egress.ErrBlocked):
		return &session.Error{
			Code: session.CodeFetchRefused, Op: opFetch, Err: err,
			Message: "the address leads to a private or special network; expected a public one (media.allow_private lifts this)",
		}
	case errors.Is(err, errRedirects):
		return failed(fmt.Sprintf("the address redirects more than %d times", maxRedirects), err)
	case errors.Is(err, errDowngrade):
		return failed("the address redirects to one that is not http or https, or from https to http", err)
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return &session.Error{Code: session.CodeTimeout, Op: opFetch, Message: "the fetch was cancelled", Err: err}
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return failed("the file did not come in time", err)
	case errors.As(err, &dns):
		return failed("the host's name cannot be resolved", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed("the host refused the connection", err)
	default:
		return failed("the file could not be fetched from its address", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
