package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
)

// heartbeat is the interval of comments on a stream: without them proxies and clients take a quiet stream for a dead
// one.
const heartbeat = 15 * time.Second

func (a *api) index(r *http.Request) (int, any, error) {
	body := indexBody{Name: "wasup sandbox"}
	for _, route := range a.routes() {
		path := Prefix + strings.TrimSuffix(route.path, "{$}")
		body.Routes = append(body.Routes, indexRoute{sortedMethods(route.operations), path, route.operations.summary()})
	}
	return http.StatusOK, body, nil
}

func (a *api) describe(r *http.Request) (int, any, error) {
	key := a.server.RootPublicKey()
	return http.StatusOK, serverBody{
		WebSocketURL:  a.server.URL(),
		RootPublicKey: hex.EncodeToString(key[:]),
		SecureURL:     a.server.SecureURL(),
		CA:            string(a.server.CAPEM()),
		Version:       buildVersion(),
	}, nil
}

// buildVersion returns the module version that the Go tool wrote into the binary, or "unknown".
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

func (a *api) counters(r *http.Request) (int, any, error) {
	return http.StatusOK, a.server.Counters(), nil
}

// events answers in one of two ways. A client that accepts text/event-stream gets
// every matching event from now on. Any other client gets a list with the first
// event from now on that matches ?kind and ?account, or an empty list once ?wait
// (10s by default) is over.
func (a *api) events(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	account := strings.TrimPrefix(values.Get("account"), "+")
	if values.Has("account") && !accounts.ValidNumber(account) {
		a.refuse(w, r, invalid("account", "expected 7 to 15 digits, the first not 0"))
		return
	}
	ctx, cancel, err := waitContext(r, 10*time.Second)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	defer cancel()
	wanted := func(e observe.Event) bool {
		return (!values.Has("kind") || string(e.Kind) == values.Get("kind")) &&
			(!values.Has("account") || e.Account == account)
	}
	// Subscribe before answering: a client that has seen the beginning of the
	// answer must not miss an event after it.
	events, unsubscribe := a.server.Subscribe()
	defer unsubscribe()
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		a.stream(w, r, events, wanted)
		return
	}
	a.answer(w, http.StatusOK, eventsBody{firstEvent(ctx, events, wanted)})
}

func firstEvent(ctx context.Context, events <-chan observe.Event, wanted func(observe.Event) bool) []observe.Event {
	for {
		select {
		case <-ctx.Done():
			return []observe.Event{}
		case event, open := <-events:
			switch {
			case !open:
				return []observe.Event{}
			case wanted(event):
				return []observe.Event{event}
			}
		}
	}
}

// stream writes server-sent events until the client disconnects or the server closes.
func (a *api) stream(w http.ResponseWriter, r *http.Request, events <-chan observe.Event, wanted func(observe.Event) bool) {
	control := http.NewResponseController(w)
	// The HTTP server may have a write timeout, which would cut the stream.
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		a.log.Debug("could not lift the write deadline of an event stream", "err", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	err := writeFlush(w, control, ": listening\n\n")
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			err = writeFlush(w, control, ": still here\n\n")
		case event, open := <-events:
			if !open {
				return
			}
			if !wanted(event) {
				continue
			}
			raw, failed := json.Marshal(event)
			if failed != nil {
				a.log.Error("could not encode an event", "err", failed)
				continue
			}
			err = writeFlush(w, control, fmt.Sprintf("event: %s\ndata: %s\n\n", event.Kind, raw))
		}
	}
	a.log.Debug("event stream ended", "err", err)
}

func writeFlush(w io.Writer, control *http.ResponseController, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return control.Flush()
}
