package main

import (
	"context"
	"net/http"
	"regexp"
	"syscall"
	"testing"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
)

func TestASecondSIGTERMExitsAtOnce(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	cfg.Shutdown.Timeout = 10 * apptest.Patience
	cfg.Send.Timeout = 10 * apptest.Patience
	phone, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	child, call := apptest.ServeChild(t, cfg)
	if _, err := phone.Scan(apptest.Bounded(t), call.Get("/qr-code", 1).Is(200).Code()); err != nil {
		t.Fatalf("scan: %v", err)
	}
	apptest.Until(t, "READY", func() bool { return call.Get("/status", 1).Fields["state"] == "READY" })
	if _, err := server.SetFault(faults.Fault{Kind: faults.WithholdAck, Account: phone.Number()}); err != nil {
		t.Fatal(err)
	}
	events, end := server.Subscribe()
	defer end()
	cut := make(chan error, 1)
	go func() {
		_, err := call.Try(context.Background(), http.MethodPost, "/send", 1, `{"to":"`+phone.Number()+`","message":"x"}`, nil)
		cut <- err
	}()
	for event := range events {
		if event.Kind == observe.EventFault {
			break
		}
	}
	child.Signal(syscall.SIGTERM)
	child.Says(regexp.MustCompile("msg=stopping"))
	child.Signal(syscall.SIGTERM)
	if code := child.Wait(); code != exitAborted {
		t.Fatalf("exit code %d, want %d", code, exitAborted)
	}
	if err := <-cut; err == nil {
		t.Error("the send was answered: there was nothing to cut short")
	}
}
