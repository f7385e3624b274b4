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
	reader
	conn  net.Conn
	out   bytes.Buffer
	beat  *time.Timer
	close sync.Once
}

// begin prepares what comes before the events: how long to wait before coming back, and the present state unless the
// reader knows it.
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

// Read gives what is to be written next, waiting for it if need be.
func (st *stream) Read(p []byte) (n int, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			st.of.host.Log.Error("an event stream panicked", slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
			n, err = 0, io.ErrUnexpectedEOF
		}
	}()
	for st.out.Len() == 0 {
		if !st.next() {
			return 0, io.EOF
		}
	}
	// The server's write timeout counts from the beginning of an answer, which here never ends. The connection is
	// this answer's own; where the deadline cannot be set it is closed, and the write will tell.
	_ = st.conn.SetWriteDeadline(time.Now().Add(rest.WriteTimeout))
	return st.out.Read(p)
}

// next fills the buffer, or finds that nothing is stored; false: the stream is over.
func (st *stream) next() bool {
	if st.showing {
		st.writeSnapshots()
		return true
	}
	select {
	case <-st.of.host.Life.Waits().Done(): // a select with several ready cases picks any: the drain comes first
		return false
	default:
	}
	if !st.live {
		found, ok := st.readStored()
		for i := range found {
			st.writeEvent(st.frameFor(&found[i]))
		}
		return ok
	}
	select {
	case <-st.of.host.Life.Waits().Done():
		return false
	case event, open := <-st.sub.C():
		if !open {
			return false
		}
		st.writeEvent(st.frameFor(&event))
		st.writePending()
	case <-st.beat.C:
		st.out.WriteString(": heartbeat\n\n")
	}
	st.beat.Reset(st.of.limits.Heartbeat)
	return true
}

// more adds what has happened meanwhile, so that many events are one write.
func (st *stream) writePending() {
	for st.out.Len() < chunkBytes {
		select {
		case event, open := <-st.sub.C():
			if !open {
				return // the next read ends the stream
			}
			st.writeEvent(st.frameFor(&event))
		default:
			return
		}
	}
}

// tellPresent tells where sessions are. Only after the last of them the reader is given an id: with one that came earlier
// it would come back believing that it knows them all.
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
	if err := encoder.Encode(data); err != nil { // it ends the line itself
		st.of.host.Log.Error("an event could not be written as JSON", slog.Any("err", err))
		st.out.WriteByte('\n')
	}
	st.out.WriteByte('\n')
}

// Close ends the subscription. fasthttp calls it when the answer is over, however it ended.
func (st *stream) Close() error {
	st.close.Do(func() {
		st.beat.Stop()
		st.reader.close()
	})
	return nil
}
