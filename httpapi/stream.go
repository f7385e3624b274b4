package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"wasup/session"
)

const (
	// reconnectAfter is what a browser is told to wait before it comes back.
	reconnectAfter = 3 * time.Second
	// chunkBytes is about how much is written at once where much is to tell.
	chunkBytes = 16 << 10
)

// stream writes server-sent events. It is the body of its answer, read by the goroutine of the connection, so that it
// needs none of its own: where fasthttp writes, nothing else does, and a reader that stands still holds up nobody but
// itself, until the write deadline ends it. A caller that has left is noticed by the next write, the next heartbeat at
// the latest.
type stream struct {
	of       *Server
	id       session.ID // "": all sessions
	sub      Subscription
	conn     net.Conn
	pictures bool

	snapshots []session.Status // still to be told
	last      uint64           // what the reader knows once it has the snapshots; 0: there are none
	out       bytes.Buffer
	beat      *time.Timer
	close     sync.Once
}

// begin prepares what comes before the events: how long to wait before coming back, and the present state unless the
// reader knows it.
func (st *stream) begin(snapshots bool) {
	st.beat = time.NewTimer(st.of.cfg.Heartbeat)
	st.out.WriteString("retry: " + strconv.FormatInt(reconnectAfter.Milliseconds(), 10) + "\n\n")
	if st.sub.Missed() {
		st.write("", "resync", v1Resync{Reason: "Events were lost since the given id; the present state follows."})
	}
	if !snapshots {
		return
	}
	st.last = st.sub.From()
	if st.id == "" {
		st.snapshots = st.of.deps.Slots.List()
	} else if status, ok := st.of.deps.Sessions.Status(st.id); ok {
		st.snapshots = []session.Status{status}
	}
}

// Read gives what is to be written next, waiting for it if need be.
func (st *stream) Read(p []byte) (n int, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			st.of.deps.Log.Error("an event stream panicked", slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
			n, err = 0, io.ErrUnexpectedEOF
		}
	}()
	if st.out.Len() == 0 {
		if !st.next() {
			return 0, io.EOF
		}
	}
	// The server's write timeout counts from the beginning of an answer, which here never ends. The connection is
	// this answer's own; where the deadline cannot be set it is closed, and the write will tell.
	_ = st.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	return st.out.Read(p)
}

// next fills the buffer; false: the stream is over.
func (st *stream) next() bool {
	if st.last != 0 {
		st.present()
		return true
	}
	select {
	case <-st.of.waits.Done(): // a select with several ready cases picks any: the drain comes first
		return false
	default:
	}
	select {
	case <-st.of.waits.Done():
		return false
	case event, open := <-st.sub.C():
		if !open {
			return false
		}
		st.tell(&event)
		st.more()
	case <-st.beat.C:
		st.out.WriteString(": heartbeat\n\n")
	}
	st.beat.Reset(st.of.cfg.Heartbeat)
	return true
}

// more adds what has happened meanwhile, so that many events are one write.
func (st *stream) more() {
	for st.out.Len() < chunkBytes {
		select {
		case event, open := <-st.sub.C():
			if !open {
				return // the next read ends the stream
			}
			st.tell(&event)
		default:
			return
		}
	}
}

// present tells where sessions are. Only after the last of them the reader is given an id: with one that came earlier
// it would come back believing that it knows them all.
func (st *stream) present() {
	for len(st.snapshots) > 0 && st.out.Len() < chunkBytes {
		status := st.snapshots[0]
		st.snapshots = st.snapshots[1:]
		st.tell(&session.LiveEvent{At: st.of.cfg.Now(), Type: session.LiveSnapshot, Status: status})
	}
	if len(st.snapshots) > 0 {
		return
	}
	st.out.WriteString("id: " + strconv.FormatUint(st.last, 10) + "\n\n")
	st.snapshots, st.last = nil, 0
}

// tell writes one event.
func (st *stream) tell(event *session.LiveEvent) {
	out := v1Event{At: stamp(event.At), Type: v1LiveType(event.Type), SessionID: string(event.Status.ID)}
	id := ""
	if event.Seq > 0 {
		id = strconv.FormatUint(event.Seq, 10)
		out.Seq = id
	}
	if event.Type != session.LiveRemoved {
		now := st.of.v1SessionOf(&event.Status)
		out.Session = &now
	}
	if (event.Type == session.LiveQR || event.Type == session.LiveSnapshot) && st.of.scannable(&event.Status) {
		qr := v1QROf(event.Status.QR)
		if st.pictures {
			// Without a picture the code itself is still there.
			qr.Image, _ = st.of.image(event.Status.QR.Code)
		}
		out.QR = &qr
		if st.id != "" {
			// Who follows one session waits for its scan. Who follows all of them watches, and asks for nothing.
			st.of.watch(event.Status)
		}
	}
	st.write(id, string(event.Type), out)
}

func (st *stream) write(id, name string, data any) {
	if id != "" {
		st.out.WriteString("id: " + id + "\n")
	}
	st.out.WriteString("event: " + name + "\ndata: ")
	encoder := json.NewEncoder(&st.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil { // it ends the line itself
		st.of.deps.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		st.out.WriteByte('\n')
	}
	st.out.WriteByte('\n')
}

// Close ends the subscription. fasthttp calls it when the answer is over, however it ended.
func (st *stream) Close() error {
	st.close.Do(func() {
		st.beat.Stop()
		st.sub.Close()
		st.of.streams.Add(-1)
	})
	return nil
}
