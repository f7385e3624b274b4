package events

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

	"wasup/httpapi/rest"
	"wasup/internal/events"
)

const (
	// reconnectAfter is how long a browser should wait before it reconnects.
	reconnectAfter = 3 * time.Second
	// chunkBytes is about how much is written at once if there are many events.
	chunkBytes = 16 << 10
	// idleBytes is how much memory a stream keeps for its next events.
	idleBytes = 64 << 10
)

// stream writes server-sent events. It is the body of its answer. fasthttp reads it on the goroutine of the connection,
// so it needs no goroutine of its own. A caller that does not read blocks only its own stream, until the write deadline
// ends it. A caller that has disconnected is noticed at the next write, which is a heartbeat at the latest.
type stream struct {
	*reader
	conn  net.Conn
	out   bytes.Buffer
	beat  *time.Timer
	close sync.Once
}

// begin writes what comes before the events: the reconnect delay, and a resync event if events were lost. With
// snapshots, it also loads them.
func (st *stream) begin(snapshots bool) {
	st.beat = time.NewTimer(st.of.limits.Heartbeat)
	st.out.WriteString("retry: " + strconv.FormatInt(reconnectAfter.Milliseconds(), 10) + "\n\n")
	if st.sub.Missed() {
		st.write("", "resync", lost)
	}
	if snapshots {
		st.loadSnapshots()
	}
}

var lost = v1Resync{Reason: "Events were lost since the given id; the present state follows."}

// Read returns the next bytes of the stream. It waits if there are none.
func (st *stream) Read(p []byte) (n int, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			st.of.host.Log.Error("an event stream panicked", slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
			n, err = 0, io.ErrUnexpectedEOF
		}
	}()
	if st.out.Len() == 0 && st.out.Cap() > idleBytes {
		st.out = bytes.Buffer{}
	}
	for st.out.Len() == 0 {
		if !st.next() {
			return 0, io.EOF
		}
	}
	// The server's write timeout counts from the beginning of an answer, and this answer never ends. So each write gets
	// a deadline of its own. If the deadline cannot be set, the connection is closed, and the write fails.
	_ = st.conn.SetWriteDeadline(time.Now().Add(rest.WriteTimeout))
	return st.out.Read(p)
}

// next adds snapshots, events, a piece of a large event or a heartbeat to the buffer. The buffer stays empty if something
// was loaded, or has to be. false: the stream must end.
func (st *stream) next() bool {
	if st.showing {
		st.writeSnapshots()
		return true
	}
	select {
	case <-st.of.host.Life.Waits().Done(): // checked first, because the select below picks any ready case
		return false
	default:
	}
	var wake <-chan struct{}
	switch {
	case len(st.waiting) > 0:
		st.writeWaiting()
		return true
	case st.rest != nil && !st.loading && st.rest.piece != nil:
		st.writePiece()
		return true
	case st.idle:
		wake = st.sub.C()
	case !st.loading:
		st.load()
	}
	st.beat.Reset(st.of.limits.Heartbeat)
	select {
	case <-st.of.host.Life.Waits().Done():
		return false
	case <-wake: // when it is closed, the next load returns the reason
		st.idle = false
	case got := <-st.loaded:
		return st.take(got)
	case <-st.beat.C:
		if st.rest == nil { // a comment cannot stand within an event
			st.out.WriteString(": heartbeat\n\n")
		}
	}
	return true
}

// writeWaiting adds loaded events, so that many small ones need one write.
func (st *stream) writeWaiting() {
	for len(st.waiting) > 0 && st.out.Len() < chunkBytes {
		st.writeEvent(st.frameFor(&st.waiting[0]))
		st.waiting[0] = events.Event{} // frees its data
		st.waiting = st.waiting[1:]
	}
}

// writePiece adds the piece of a large event that was loaded.
func (st *stream) writePiece() {
	p := st.rest
	head, tail, err := p.around()
	if err != nil {
		st.of.host.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		st.rest = nil
		return
	}
	if p.first() {
		st.out.WriteString("id: " + strconv.FormatUint(p.event.Pos, 10) + "\nevent: " + string(p.event.Type) + "\ndata: ")
		st.out.Write(head)
	}
	st.out.Write(p.piece)
	p.piece = nil
	if p.last() {
		st.out.Write(tail)
		st.out.WriteString("\n\n")
		st.rest = nil
	}
}

// writeSnapshots writes snapshots, and an id after the last one. If the id came earlier, a reader that reconnects after
// it would miss the remaining snapshots.
func (st *stream) writeSnapshots() {
	for len(st.snapshots) > 0 && st.out.Len() < chunkBytes {
		st.writeEvent(st.of.snapshot(&st.snapshots[0], st.pictures))
		st.snapshots = st.snapshots[1:]
	}
	if len(st.snapshots) > 0 {
		return
	}
	st.out.WriteString("id: " + strconv.FormatUint(st.sub.From(), 10) + "\n\n")
	st.snapshots, st.showing = nil, false
}

func (st *stream) writeEvent(event v1Event) { st.write(event.ID, string(event.Type), event) }

func (st *stream) write(id, name string, data any) {
	if id != "" {
		st.out.WriteString("id: " + id + "\n")
	}
	st.out.WriteString("event: " + name + "\ndata: ")
	encoder := json.NewEncoder(&st.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil { // Encode ends the line itself
		st.of.host.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		st.out.WriteByte('\n')
	}
	st.out.WriteByte('\n')
}

// Close ends the subscription. fasthttp calls it when the answer has ended or failed.
func (st *stream) Close() error {
	st.close.Do(func() {
		st.beat.Stop()
		st.reader.close()
	})
	return nil
}
