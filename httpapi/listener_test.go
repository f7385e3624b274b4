package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestOnlyLoopbackAddressesAreBound(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "127.0.0.1", "127.0.0.1:99999", ""} {
		l, err := bind(addr, 1, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = l.Close()
			t.Errorf("%q was bound", addr)
			continue
		}
		if !strings.Contains(err.Error(), fmt.Sprintf("%q", addr)) || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%q: the error does not say what was expected: %v", addr, err)
		}
	}
}

func TestAConnectionThatComesWhileTheOthersAreCutIsClosed(t *testing.T) {
	t.Parallel()
	l, err := bind("127.0.0.1:0", 1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	caller, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caller.Close() }()
	l.cut()
	if c, err := l.Accept(); !errors.Is(err, net.ErrClosed) || c != nil {
		t.Fatalf("it was accepted: %v", err)
	}
	if _, err := caller.Read(make([]byte, 1)); err == nil {
		t.Error("it is open")
	}
}
