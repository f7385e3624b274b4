package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

func TestOnlyLoopbackAddressesAreBound(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "127.0.0.1", "127.0.0.1:99999", ""} {
		l, err := bind(addr)
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
