package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipeLink is a link over an in-memory connection, with the server's end of it and the number of calls of onEnd.
func pipeLink(t *testing.T) (*Link, net.Conn, *atomic.Int32) {
	t.Helper()
	ours, theirs := net.Pipe()
	var ends atomic.Int32
	l := New(ours, func() { ends.Add(1) })
	t.Cleanup(func() { _ = l.Close(); _ = theirs.Close() })
	return l, theirs, &ends
}

// readAll reads to the end, as the WebSocket library does.
func readAll(l *Link) (data []byte, err error) {
	buf := make([]byte, 4096)
	for {
		n, readErr := l.Read(buf)
		data = append(data, buf[:n]...)
		if readErr != nil {
			return data, readErr
		}
	}
}

func TestTheEndOfTheConnectionComesLaterThanTheLastStanza(t *testing.T) {
	for name, end := range map[string]func(net.Conn){
		"closed":      func(server net.Conn) { _ = server.Close() },
		"close frame": func(server net.Conn) { _, _ = server.Write(wsFrame(opClose, []byte{3, 0xe8}, false)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, server, ends := pipeLink(t)
				last := wsFrame(2, []byte("last stanza"), false)
				go func() {
					_, _ = server.Write(last)
					end(server)
				}()
				buf := make([]byte, 4096)
				n, err := l.Read(buf)
				if err != nil || !bytes.Equal(buf[:n], last) {
					t.Fatalf("read %q, %v", buf[:n], err)
				}
				handed := time.Now()
				_, _ = l.Read(buf)
				if waited := time.Since(handed); waited != lingerFor {
					t.Errorf("the end came after %s, want %s", waited, lingerFor)
				}
				if ends.Load() != 1 {
					t.Errorf("the end was announced %d times", ends.Load())
				}
			})
		})
	}
}

func TestStanzaAndCloseFrameInOnePacketAreTakenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, _ := pipeLink(t)
		stanza, goodbye := wsFrame(2, []byte("stanza"), false), wsFrame(opClose, []byte{3, 0xe8}, false)
		// The server keeps the connection open after its close frame and waits for ours.
		go func() { _, _ = server.Write(append(append([]byte(nil), stanza...), goodbye...)) }()
		buf := make([]byte, 4096)
		n, _ := l.Read(buf)
		if !bytes.Equal(buf[:n], stanza) {
			t.Fatalf("first %x, want the stanza %x", buf[:n], stanza)
		}
		n, _ = l.Read(buf)
		if !bytes.Equal(buf[:n], goodbye) {
			t.Fatalf("then %x, want the close frame %x", buf[:n], goodbye)
		}
		_ = server.Close()
		if n, err := l.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("at last %d bytes and %v, want EOF", n, err)
		}
	})
}

func TestAnEndBeforeTheFirstByteBreaksTheHandshake(t *testing.T) {
	for name, end := range map[string]func(*Link, net.Conn){
		"by the server": func(_ *Link, server net.Conn) { _ = server.Close() },
		"politely":      func(_ *Link, server net.Conn) { _, _ = server.Write(wsFrame(opClose, nil, false)) },
		"by us":         func(l *Link, _ net.Conn) { _ = l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, server, _ := pipeLink(t)
				go end(l, server)
				buf := make([]byte, 4096)
				n, err := l.Read(buf)
				if err != nil || !bytes.Equal(buf[:n], brokenResponse) {
					t.Errorf("read %x, %v, want %x", buf[:n], err, brokenResponse)
				}
				if !l.HandshakeUnanswered() {
					t.Error("the link does not know why")
				}
			})
		})
	}
}

func TestWhatFollowsTheHandshakeWaitsUntilItIsAdmitted(t *testing.T) {
	for name, end := range map[string]func(*Link){"admitted": (*Link).AdmitFrames, "finished": func(l *Link) { _ = l.Close() }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, server, _ := pipeLink(t)
				hello, stanza := wsFrame(2, []byte("hello"), false), wsFrame(2, []byte("stanza"), false)
				go func() {
					_, _ = io.CopyN(io.Discard, server, 15)
					_, _ = server.Write(hello)
					_, _ = io.CopyN(io.Discard, server, 15)
					_, _ = server.Write(stanza)
				}()
				buf := make([]byte, 4096)
				_, _ = l.Write(wsFrame(2, []byte("our hello"), true))
				if n, err := l.Read(buf); err != nil || !bytes.Equal(buf[:n], hello) {
					t.Fatalf("read %q, %v", buf[:n], err)
				}
				_, _ = l.Write(wsFrame(2, []byte("our finish")[:9], true))
				var got atomic.Int32
				go func() {
					n, _ := l.Read(buf)
					got.Store(int32(n))
				}()
				synctest.Wait()
				if n := got.Load(); n != 0 {
					t.Fatalf("%d bytes were handed on at once", n)
				}
				end(l)
				synctest.Wait()
				if n := got.Load(); int(n) != len(stanza) {
					t.Errorf("%d bytes were handed on at the end, want %d", n, len(stanza))
				}
			})
		})
	}
}

func TestHoldingLetsTheReaderHandOnWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, ends := pipeLink(t)
		stanza := wsFrame(2, []byte("stanza"), false)
		go func() { _, _ = server.Write(stanza) }()
		buf := make([]byte, 4096)
		if _, err := l.Read(buf); err != nil {
			t.Fatal(err)
		}
		held := make(chan struct{})
		go func() { l.HoldReader(time.Hour); close(held) }()
		synctest.Wait()
		select {
		case <-held:
			t.Fatal("hold returned while the reader was busy with a stanza")
		default:
		}
		reader := make(chan error, 1)
		go func() { _, err := readAll(l); reader <- err }()
		<-held
		go func() { _, _ = io.Copy(io.Discard, server) }()
		if _, err := l.Write(wsFrame(opClose, []byte{3, 0xe8}, true)); err != nil {
			t.Fatal(err)
		}
		if err := <-reader; !errors.Is(err, io.EOF) {
			t.Errorf("the reader ended with %v, want EOF", err)
		}
		if ends.Load() != 0 {
			t.Error("our own end was announced as the server's")
		}
	})
}

func TestHoldingIsTooLateOnceTheEndIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, _ := pipeLink(t)
		go func() { _, _ = server.Write(wsFrame(2, []byte("hello"), false)); _ = server.Close() }()
		if _, err := readAll(l); !errors.Is(err, io.EOF) {
			t.Fatalf("ended with %v", err)
		}
		if l.HoldReader(time.Hour) {
			t.Error("hold took a link that had ended")
		}
	})
}

func TestNothingIsHandedOnWhileHolding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, _ := pipeLink(t)
		type result struct {
			data []byte
			err  error
		}
		reader := make(chan result, 1)
		go func() { data, err := readAll(l); reader <- result{data, err} }()
		synctest.Wait()
		if !l.HoldReader(time.Hour) {
			t.Fatal("hold refused an open link")
		}
		_, _ = server.Write(wsFrame(2, []byte("too late"), false))
		_ = l.Close()
		if got := <-reader; len(got.data) != 0 || !errors.Is(got.err, io.EOF) {
			t.Errorf("handed on %q, %v", got.data, got.err)
		}
	})
}

// whatsmeow sets up its socket without a lock once the server has answered the handshake. Our Close must not reach it
// meanwhile.
func TestOurCloseWaitsForAHandshakeThatIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		admit, want time.Duration // 0: never admitted
	}{
		"finished": {50 * time.Millisecond, 50 * time.Millisecond},
		"given up": {0, lingerFor},
	} {
		for _, held := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l, server, _ := pipeLink(t)
				go func() { _, _ = server.Write(wsFrame(2, []byte("server hello"), false)) }()
				buf := make([]byte, 4096)
				if _, err := l.Read(buf); err != nil {
					t.Fatal(err)
				}
				if held {
					go l.HoldReader(time.Second)
				}
				over := make(chan time.Time, 1)
				go func() {
					_, _ = readAll(l)
					over <- time.Now()
				}()
				synctest.Wait()
				closed := time.Now()
				_ = l.Close()
				if c.admit > 0 {
					time.Sleep(c.admit)
					l.AdmitFrames()
				}
				if waited := (<-over).Sub(closed); waited != c.want {
					t.Errorf("%s, held %t: the end came after %s, want %s", name, held, waited, c.want)
				}
			})
		}
	}
}
