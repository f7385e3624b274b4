package whatsapp

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// TrustProxies accepts https proxies with certificates of these roots.
func (d *Dialer) TrustProxies(roots *x509.CertPool) { d.routes.TrustProxies(roots) }

// ProxiesInUse returns how many proxies are used by runs.
func (d *Dialer) ProxiesInUse() int { return d.routes.ProxiesInUse() }

// MediaClient returns the HTTP client for the run's media.
func MediaClient(c session.Client) *http.Client { return c.(*Client).route.Media }

// Upload encrypts and uploads a file with the run's whatsmeow client.
func Upload(ctx context.Context, c session.Client, data []byte, kind message.Kind) (message.Remote, error) {
	up, err := c.(*Client).wa.Upload(ctx, data, mediaKeys(kind))
	return message.Remote{
		DirectPath: up.DirectPath, Key: up.MediaKey, FileSHA256: up.FileSHA256, EncSHA256: up.FileEncSHA256,
		Length: int64(up.FileLength), Kind: kind,
	}, err
}

// WaitForBacklog waits until the run has received what has waited at WhatsApp, before which no message leaves.
func WaitForBacklog(ctx context.Context, c session.Client) error {
	return c.(*Client).sending.backlog.wait(ctx)
}

// Request adds a request that waits for an answer to the run's whatsmeow client. The function that it returns waits for the
// end of the request, and reports whether the run has failed it before whatsmeow could.
func Request(c session.Client) (failed func() bool) {
	answer := internals(c.(*Client).wa).WaitResponse("request of a test")
	return func() bool { return <-answer == connectionOver }
}

// MessageSecret returns the secret that votes on a message of ours are encrypted with.
func MessageSecret(ctx context.Context, c session.Client, to message.Recipient, id string) ([]byte, error) {
	client := c.(*Client)
	chat, err := client.messaging.chat(ctx, "look up secret", to)
	if err != nil {
		return nil, err
	}
	_, lid := client.account.addresses()
	secret, _, err := client.wa.Store.MsgSecrets.GetMessageSecret(ctx, chat, lid.ToNonAD(), id)
	return secret, err
}

// SuspectLinks is what the dialer does when the machine has slept.
func (d *Dialer) SuspectLinks() { d.suspectLinks(time.Hour) }

// UnlinksAtOnce is how many attempts to unlink run at the same time.
const UnlinksAtOnce = unlinksAtOnce
