package events

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/events"
	"wasup/internal/session"
)

// The frames that only a WebSocket has. An event stream uses its own fields for them.
const (
	frameResync  v1EventType = "resync"  // events after the given id were lost; snapshots follow
	framePresent v1EventType = "present" // all snapshots were sent; the events that follow are later than its id
)

// closeTimeout is how long a caller may take to answer the closing frame.
const closeTimeout = time.Second

// allSocket is GET /v1/events/ws.
func (r *Resource) allSocket(k *rest.Call) error { return r.socket(k, "") }

// ofSessionSocket is GET /v1/sessions/{id}/events/ws.
func (r *Resource) ofSessionSocket(k *rest.Call) error {
	if _, err := k.Known(); err != nil {
		return err
	}
	return r.socket(k, k.ID)
}

func (r *Resource) socket(k *rest.Call, id session.ID) error {
	after, err := positionOf(k)
	if err != nil {
		return err
	}
	types, err := typesOf(k)
	if err != nil {
		return err
	}
	if err := upgradable(k.Ctx); err != nil {
		return err
	}
	follower, err := r.follow(k, id, after, types)
	if err != nil {
		return err
	}
	request, header := upgradeRequest(k.Ctx), make(http.Header)
	for name, value := range k.Response().Header.All() { // those that the server sets on every answer
		header.Add(string(name), string(value))
	}
	header.Del(fiber.HeaderContentType)
	r.host.Life.Enter() // the shutdown waits for the socket
	k.Status(fiber.StatusSwitchingProtocols)
	k.Context().HijackSetNoResponse(true)
	k.Context().Hijack(func(conn net.Conn) {
		defer r.host.Life.Leave()
		defer follower.close()
		r.serveSocket(&socket{reader: follower}, conn, request, header, after == events.FromNow || follower.sub.Missed())
	})
	return nil
}

// upgradable checks that the request is a WebSocket handshake.
func upgradable(c *fiber.Ctx) error {
	switch key, err := base64.StdEncoding.DecodeString(c.Get("Sec-WebSocket-Key")); {
	case !strings.EqualFold(c.Get(fiber.HeaderUpgrade), "websocket") || !hasToken(c.Get(fiber.HeaderConnection), "upgrade"):
		return rest.HTTPProblem(rest.CodeUpgrade, "expected a WebSocket handshake: Connection: Upgrade and Upgrade: websocket")
	case c.Get("Sec-WebSocket-Version") != "13":
		return rest.BadField("Sec-WebSocket-Version", "expected 13")
	case err != nil || len(key) != 16:
		return rest.BadField("Sec-WebSocket-Key", "expected 16 bytes in base64")
	}
	return nil
}

func hasToken(list, token string) bool {
	for each := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(each), token) {
			return true
		}
	}
	return false
}

// upgradeRequest returns the request in the form that the WebSocket library needs.
func upgradeRequest(c *fiber.Ctx) *http.Request {
	header := make(http.Header)
	for name, values := range c.GetReqHeaders() {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	return &http.Request{Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1, Header: header, Host: strings.Clone(c.Hostname())}
}

// upgrade is the http.ResponseWriter with which the WebSocket library answers on a connection that fasthttp has
// released.
type upgrade struct {
	conn   net.Conn
	header http.Header
}

func (u *upgrade) Header() http.Header { return u.header }

func (u *upgrade) Write(p []byte) (int, error) { return u.conn.Write(p) }

func (u *upgrade) WriteHeader(status int) {
	var head strings.Builder
	head.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
	_ = u.header.Write(&head) // a strings.Builder does not fail
	head.WriteString("\r\n")
	_, _ = u.conn.Write([]byte(head.String())) // if the connection is broken, the first frame fails
}

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return u.conn, bufio.NewReadWriter(bufio.NewReader(u.conn), bufio.NewWriter(u.conn)), nil
}

// socket writes the frames of one WebSocket.
type socket struct {
	*reader
	conn *websocket.Conn
	open *openMessage // the large event that is being written; nil: none is
}

// openMessage is a frame of a large event that is written piece by piece.
type openMessage struct {
	to     io.WriteCloser
	cancel context.CancelFunc
}

// serveSocket runs until the caller disconnects, is too slow, or the server drains.
func (r *Resource) serveSocket(w *socket, conn net.Conn, request *http.Request, header http.Header, snapshots bool) {
	defer func() {
		if reason := recover(); reason != nil {
			r.host.Log.Error("an event socket panicked", slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
		}
	}()
	// Remove the deadlines that fasthttp set for the request.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return
	}
	var err error
	// The library does not check the origin, because the server has checked it, proxies included.
	w.conn, err = websocket.Accept(&upgrade{conn, header}, request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	w.conn.SetReadLimit(1 << 10)
	// This is not the server's context: when the context of a connection ends, the library closes it without a closing
	// frame.
	here, leave := context.WithCancel(context.Background())
	defer leave()
	left := make(chan struct{})
	go func() {
		defer close(left)
		defer leave()
		w.listen(here)
	}()
	code, reason := w.run(here, snapshots)
	timer := time.AfterFunc(closeTimeout, func() { _ = conn.Close() })
	defer timer.Stop()
	_ = w.conn.Close(code, reason) // it fails if the caller has disconnected
	_ = conn.Close()
	<-left
}

// listen ends when the caller disconnects. It ignores what the caller sends.
func (w *socket) listen(here context.Context) {
	for {
		if _, _, err := w.conn.Read(here); err != nil {
			return
		}
	}
}

// run sends snapshots and events. It returns the reason why the socket ends.
func (w *socket) run(here context.Context, snapshots bool) (websocket.StatusCode, string) {
	if w.sub.Missed() && !w.write(here, v1Event{At: wire.Stamp(w.of.host.Now()), Type: frameResync, Data: encoded(w.of.host.Log, lost)}) {
		return websocket.StatusGoingAway, ""
	}
	if snapshots {
		w.loadSnapshots()
		for i := range w.snapshots {
			if !w.write(here, w.of.snapshot(&w.snapshots[i], w.pictures)) {
				return websocket.StatusGoingAway, ""
			}
		}
		last := v1Event{ID: strconv.FormatUint(w.sub.From(), 10), At: wire.Stamp(w.of.host.Now()), Type: framePresent, Data: json.RawMessage("{}")}
		if !w.write(here, last) {
			return websocket.StatusGoingAway, ""
		}
		w.snapshots = nil
	}
	code, reason := w.follow(here)
	if w.open != nil {
		w.open.cancel()
	}
	return code, reason
}

func (w *socket) follow(here context.Context) (websocket.StatusCode, string) {
	beat := time.NewTicker(w.of.limits.Heartbeat)
	defer beat.Stop()
	for {
		var wake <-chan struct{}
		switch {
		case w.idle:
			wake = w.sub.C()
		case !w.loading:
			w.load()
		}
		select {
		case <-w.of.host.Life.Waits().Done():
			return websocket.StatusGoingAway, "shutting down"
		case <-here.Done():
			return websocket.StatusNormalClosure, ""
		case <-wake: // when it is closed, the next load returns the reason
			w.idle = false
		case got := <-w.loaded:
			if !w.take(got) {
				return websocket.StatusTryAgainLater, ""
			}
			if !w.writeLoaded(here) {
				return websocket.StatusGoingAway, ""
			}
		case <-beat.C:
			if !w.ping(here) {
				return websocket.StatusGoingAway, ""
			}
		}
	}
}

// writeLoaded writes what was loaded.
func (w *socket) writeLoaded(here context.Context) bool {
	for i := range w.waiting {
		if !w.write(here, w.frameFor(&w.waiting[i])) {
			return false
		}
		w.waiting[i] = events.Event{} // frees its data
	}
	w.waiting = nil
	return w.rest == nil || w.writePiece(here)
}

// writePiece writes the piece of a large event that was loaded.
func (w *socket) writePiece(here context.Context) bool {
	p := w.rest
	head, tail, err := p.around()
	if err != nil {
		w.of.host.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		return false
	}
	if p.first() {
		ctx, cancel := context.WithCancel(here)
		to, err := w.conn.Writer(ctx, websocket.MessageText)
		if err != nil {
			cancel()
			return false
		}
		w.open = &openMessage{to, cancel}
	} else {
		head = nil
	}
	// Each piece has the time of an event.
	overdue := time.AfterFunc(rest.WriteTimeout, w.open.cancel)
	defer overdue.Stop()
	if !p.last() {
		tail = nil
	}
	for _, part := range [][]byte{head, p.piece, tail} {
		if _, err := w.open.to.Write(part); err != nil {
			return false
		}
	}
	p.piece = nil
	if !p.last() {
		return true
	}
	err = w.open.to.Close()
	w.open.cancel()
	w.open, w.rest = nil, nil
	return err == nil
}

func (w *socket) write(here context.Context, event v1Event) bool {
	text, err := json.Marshal(event)
	if err != nil {
		w.of.host.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		return true
	}
	ctx, cancel := context.WithTimeout(here, rest.WriteTimeout)
	defer cancel()
	return w.conn.Write(ctx, websocket.MessageText, text) == nil
}

func (w *socket) ping(here context.Context) bool {
	ctx, cancel := context.WithTimeout(here, rest.WriteTimeout)
	defer cancel()
	return w.conn.Ping(ctx) == nil
}
