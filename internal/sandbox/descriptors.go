package sandbox

import (
	"context"
	"fmt"
	"net"

	"wasup/internal/accept"
	"wasup/internal/sandbox/observe"
)

// listenOn listens on an address. While no descriptor is left, new clients wait. Every connection needs one at the server,
// and another one at its client if that runs in the same process.
func (e *endpoint) listenOn(address string) (net.Listener, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listen on %q: %w", address, err)
	}
	return accept.Wrap(listener, accept.Options{Log: e.log, Short: func() {
		e.observer.Count(func(n *observe.Counters) { n.OutOfFiles++ })
	}}), nil
}
