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
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/routes"
	"wasup/internal/whatsapp/tunnel"
)

// maxPage bounds how much is read of WhatsApp Web's page, which has a few hundred kilobytes.
const maxPage = 8 << 20

// Version returns the client version that wasup shows to WhatsApp, such as 2.3000.1045649367. It is the same for the
// whole process.
func (d *Dialer) Version() string {
	process.version.RLock()
	defer process.version.RUnlock()
	return store.GetWAVersion().String()
}

// RefreshVersion reads the newest version from WhatsApp Web's page and uses it from the next Open on. The request takes
// the session's route, proxy included, to the endpoint's host. changed reports that the version is newer than before;
// an older one is ignored.
func (d *Dialer) RefreshVersion(ctx context.Context, id session.ID) (version string, changed bool, err error) {
	if _, err := d.begin("refresh client version", id); err != nil {
		return d.Version(), false, err
	}
	defer d.closings.Done()
	ctx, leave := d.within(ctx)
	defer leave()
	way, err := d.routes.Of(ctx, id)
	if err != nil {
		return d.Version(), false, err
	}
	defer d.routes.Release(way)
	return d.refreshThrough(ctx, id, way)
}

func (d *Dialer) refreshThrough(ctx context.Context, id session.ID, way *routes.Route) (version string, changed bool, err error) {
	newest, err := whatsmeow.GetLatestVersion(ctx, &http.Client{
		Transport: endpointTransport{d.endpoint, way.Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // only WhatsApp's own page may say the version
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

// pageError returns the error of a failed refresh, without the page: whatsmeow repeats all of it in its error.
func pageError(id session.ID, err error) error {
	var (
		through *tunnel.Error
		failure = &session.Error{Code: session.CodeConnectFailed, Op: "refresh client version", Session: id}
		request interface{ Timeout() bool } // a *url.Error: the request failed, not the reading of its answer
	)
	switch {
	case errors.As(err, &through):
		failure.Code, failure.Message, failure.Err = session.CodeProxyFailed, through.Reason, err
	case errors.As(err, &request):
		failure.Message, failure.Err = codes.ConnectReason(err), err
	default:
		failure.Message = "WhatsApp Web's page does not name a version"
	}
	return failure
}

// endpointTransport sends whatsmeow's requests for WhatsApp's page to the endpoint's host.
type endpointTransport struct {
	endpoint  routes.Endpoint
	transport http.RoundTripper
}

func (t endpointTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.URL.Scheme, out.URL.Host, out.Host = t.endpoint.Target.Scheme, t.endpoint.Target.Host, t.endpoint.Target.Host
	resp, err := t.transport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxPage), resp.Body}
	return resp, nil
}

// loginPayload returns what a client sends about itself when it logs in. whatsmeow reads its version variables here
// without a lock and returns a slice of one of them, so the lock is taken here and the slice is copied.
func loginPayload(device *store.Device) *waWa6.ClientPayload {
	process.version.RLock()
	defer process.version.RUnlock()
	payload := device.GetClientPayload()
	if pairing := payload.GetDevicePairingData(); pairing != nil {
		pairing.BuildHash = bytes.Clone(pairing.BuildHash)
	}
	return payload
}
