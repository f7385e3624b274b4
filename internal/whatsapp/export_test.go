package whatsapp

import (
	"context"
	"crypto/x509"
	"net/http"

	"wasup/internal/message"
	"wasup/internal/session"
)

// TrustProxies makes https proxies with these roots' certificates acceptable.
func (d *Dialer) TrustProxies(roots *x509.CertPool) {
	d.routes.mu.Lock()
	defer d.routes.mu.Unlock()
	d.routes.roots = roots
}

// ProxiesInUse counts the proxies that runs hold.
func (d *Dialer) ProxiesInUse() int {
	d.routes.mu.Lock()
	defer d.routes.mu.Unlock()
	return len(d.routes.proxied)
}

// MediaClient is what the run's media goes through.
func MediaClient(c session.Client) *http.Client { return c.(*Client).route.media }

// Upload has the run's whatsmeow client seal and upload a file.
func Upload(ctx context.Context, c session.Client, data []byte, kind message.Kind) (message.Remote, error) {
	up, err := c.(*Client).wa.Upload(ctx, data, mediaKeys(kind))
	return message.Remote{
		DirectPath: up.DirectPath, Key: up.MediaKey, FileSHA256: up.FileSHA256, EncSHA256: up.FileEncSHA256,
		Length: int64(up.FileLength), Kind: kind,
	}, err
}

// MessageSecret is what votes on a message of ours are read with.
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

// Expand is the template's proxy for a session.
func Expand(template string, id session.ID, poolSize int) string {
	return expand(template, id, poolSize)
}
