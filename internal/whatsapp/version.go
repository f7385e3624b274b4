package whatsapp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"

	"wasup/internal/session"
)

// maxPage bounds what is read of WhatsApp Web's page. It has a few hundred kilobytes.
const maxPage = 8 << 20

// Version is the client version that WhatsApp is shown from now on, such as 2.3000.1045649367. It is one a process.
func (d *Dialer) Version() string {
	process.version.RLock()
	defer process.version.RUnlock()
	return store.GetWAVersion().String()
}

// RefreshVersion reads from WhatsApp Web's page which version is the newest and shows that one from the next Open on.
// It goes the way that the session goes, proxy included, to the host of the endpoint. changed reports a newer version
// than the one before; an older one is not taken.
func (d *Dialer) RefreshVersion(ctx context.Context, id session.ID) (version string, changed bool, err error) {
	if _, err := d.begin("refresh client version", id); err != nil {
		return d.Version(), false, err
	}
	defer d.closings.Done()
	ctx, leave := d.within(ctx)
	defer leave()
	way, err := d.routes.of(ctx, id)
	if err != nil {
		return d.Version(), false, err
	}
	defer d.routes.releaseRoute(way)
	newest, err := whatsmeow.GetLatestVersion(ctx, &http.Client{
		Transport: page{d.endpoint, way.transport},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // nobody else's page says what WhatsApp's version is
		},
	})
	if err != nil {
		return d.Version(), false, pageError(id, err)
	}
	process.version.Lock()
	defer process.version.Unlock()
	if before := store.GetWAVersion(); !before.LessThan(*newest) {
		return before.String(), false, nil
	}
	store.SetWAVersion(*newest)
	return newest.String(), true, nil
}

// pageError keeps the page out of the error: whatsmeow repeats all of it.
func pageError(id session.ID, err error) error {
	var (
		through *proxyError
		failure = &session.Error{Code: session.CodeConnectFailed, Op: "refresh client version", Session: id}
		request interface{ Timeout() bool } // a *url.Error: the request failed, and not its answer
	)
	switch {
	case errors.As(err, &through):
		failure.Code, failure.Message, failure.Err = session.CodeProxyFailed, through.reason, err
	case errors.As(err, &request):
		failure.Message, failure.Err = connectReason(err), err
	default:
		failure.Message = "WhatsApp Web's page does not name a version"
	}
	return failure
}

// page asks the endpoint's host for what whatsmeow asks WhatsApp for.
type page struct {
	endpoint  endpoint
	transport http.RoundTripper
}

func (p page) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.URL.Scheme, out.URL.Host, out.Host = p.endpoint.target.Scheme, p.endpoint.target.Host, p.endpoint.target.Host
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxPage), resp.Body}
	return resp, nil
}

// loginPayload is what a client says of itself when it logs in. whatsmeow reads its version variables here, without a lock,
// and hands one of them on as a slice.
func loginPayload(device *store.Device) *waWa6.ClientPayload {
	process.version.RLock()
	defer process.version.RUnlock()
	payload := device.GetClientPayload()
	if pairing := payload.GetDevicePairingData(); pairing != nil {
		pairing.BuildHash = bytes.Clone(pairing.BuildHash)
	}
	return payload
}
