package httpapi_test

import (
	"strings"
	"syscall"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
)

// Linux answers an accept on a socket that was shut down with an error that does not pass.
func TestAServerThatFailsAfterItsStartSaysSoAndCanBeStopped(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{})
	raw, err := r.Listener().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var shut error
	if err := raw.Control(func(fd uintptr) { shut = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }); err != nil || shut != nil {
		t.Fatal(err, shut)
	}
	if err := <-r.Failed(); !strings.Contains(err.Error(), "serve "+r.Addr()) {
		t.Errorf("it failed with %v", err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}
