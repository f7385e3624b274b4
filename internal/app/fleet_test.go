package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// fleetSize is the number of linked sessions that the tests with many sessions share. Pairing a hundred takes long, so
// it is done once per process. Each test then starts its own app on their database, one after the other.
const fleetSize = 100

var theFleet = fleet{size: fleetSize}

// fleet is a server with linked phones, and the database of the sessions that are linked to them.
type fleet struct {
	size   int
	using  sync.Mutex
	folder string
	server *sandbox.Server
	phones []*sandbox.Phone // phone i belongs to client i+1
}

// use gives the fleet to one test until it ends. No app runs on the fleet's database.
func (f *fleet) use(t testing.TB) *fleet {
	t.Helper()
	f.using.Lock()
	t.Cleanup(func() {
		if f.server != nil {
			f.server.ClearFaults()
		}
		f.using.Unlock()
	})
	if f.server == nil {
		f.build(t)
	}
	return f
}

func (f *fleet) config() configs.Config {
	return apptest.Quick(f.server, "sqlite:"+filepath.Join(f.folder, "wasup.db"))
}

func (f *fleet) build(t testing.TB) {
	t.Helper()
	folder, err := os.MkdirTemp("", "wasup-fleet-")
	if err != nil {
		t.Fatal(err)
	}
	f.folder, f.server = folder, apptest.StartSandbox(t, sandbox.Config{})
	h := open(t, f.server, f.config(), fewPrekeys(t, f.config().Store.DSN))
	const atOnce = 8
	turns, failures := make(chan struct{}, atOnce), make(chan error, f.size)
	for i := range f.size {
		phone := h.phone(phones.ScriptRead)
		f.phones = append(f.phones, phone)
		turns <- struct{}{}
		go func() {
			defer func() { <-turns }()
			failures <- f.link(h, int64(i+1), phone)
		}()
	}
	for range f.size {
		if err := <-failures; err != nil {
			t.Fatal(err)
		}
	}
	for i := range f.size {
		h.ready(int64(i + 1))
	}
	h.close()
}

func (f *fleet) link(h *house, client int64, phone *sandbox.Phone) error {
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	defer cancel()
	a, err := h.Try(ctx, "GET", "/qr-code", client, "", nil)
	if err != nil {
		return err
	}
	if a.Status != 200 {
		return fmt.Errorf("client %d: %s", client, a.Body)
	}
	// It asks for the text of the code: decoding a hundred pictures would take longer than everything else.
	_, err = phone.Scan(ctx, h.status(client).QR.Code)
	return err
}

func (f *fleet) close() {
	if f.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	defer cancel()
	if err := f.server.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "the fleet's sandbox:", err)
	}
	_ = os.RemoveAll(f.folder)
}
