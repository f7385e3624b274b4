package interop_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/http"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
)

// sandboxClient makes a client of the sandbox at address, such as 127.0.0.1:3003.
func sandboxClient(device *store.Device, address, rootPublicKey string) (*whatsmeow.Client, error) {
	root, err := hex.DecodeString(rootPublicKey)
	if err != nil || len(root) != 32 {
		return nil, errors.New("expected a root key of 64 hex digits")
	}
	whatsmeow.WACertPubKey = [32]byte(root) // one key a process: set it before any client connects
	web := &http.Client{Transport: &http.Transport{
		// whatsmeow always asks for wss://web.whatsapp.com: this leads it to the sandbox, without TLS.
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	client := whatsmeow.NewClient(device, nil)
	client.SetPreLoginHTTPClient(web) // until it is linked
	client.SetWebsocketHTTPClient(web)
	return client, nil
}
