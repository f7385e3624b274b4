package soak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// pair is a session and its contact. They write to each other.
type pair struct {
	id      string
	own     *sandbox.Phone // the phone that the session is linked to
	contact *sandbox.Phone
}

// run is one soak.
type run struct {
	cfg      Config
	server   *sandbox.Server
	child    *child
	http     *http.Client
	pairs    []pair
	sent     ledger // wasup to contacts
	received ledger // contacts to wasup
	hook     *receiver
	began    time.Time

	kills    atomic.Int64
	faults   atomic.Int64
	refusals atomic.Int64 // requests that wasup refused for the moment
	busy     atomic.Bool  // the chaos is not over
}

// Run runs one soak. Its error is about the soak itself; lost or duplicated messages are in the report.
func Run(ctx context.Context, cfg Config) (report Report, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return Report{}, err
	}
	server, err := sandbox.New(sandbox.Config{})
	if err != nil {
		return Report{}, err
	}
	if err := server.Start(); err != nil {
		return Report{}, err
	}
	r := &run{cfg: cfg, server: server, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, began: time.Now()}
	defer func() {
		r.http.CloseIdleConnections()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, server.Close(stopping))
	}()
	r.hook, err = newReceiver(&r.received)
	if err != nil {
		return Report{}, err
	}
	defer r.hook.close()
	root := server.RootPublicKey()
	r.child = &child{
		env: cfg.Env, dir: cfg.Dir, log: cfg.Log,
		command: append(append([]string{}, cfg.Command...), "serve",
			"--store.dsn", cfg.DSN, "--http.listen", "127.0.0.1:0", "--log.level", "info", "--log.format", "text",
			"--whatsapp.websocket_url", server.URL(), "--whatsapp.root_public_key", fmt.Sprintf("%x", root),
			"--webhooks.allow_private", "true"),
	}
	if err := r.child.start(ctx); err != nil {
		return Report{}, err
	}
	defer r.child.kill()
	if err := r.link(ctx); err != nil {
		return Report{}, fmt.Errorf("link the sessions: %w", err)
	}
	if err := r.load(ctx); err != nil {
		return Report{}, err
	}
	r.waitForArrivals(ctx)
	return r.report(ctx), ctx.Err()
}

// link creates the webhook and the sessions, and links the sessions.
func (r *run) link(ctx context.Context) error {
	_, err := r.must(ctx, http.MethodPost, "/v1/webhooks", map[string]any{
		"url": r.hook.url, "events": []string{"message.received", "message.status"},
	})
	if err != nil {
		return err
	}
	r.pairs = make([]pair, r.cfg.Sessions)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range r.pairs {
		group.Go(func() (err error) {
			r.pairs[i], err = r.linkOne(ctx, fmt.Sprintf("soak-%04d", i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.say("%d sessions are linked", len(r.pairs))
	return nil
}

func (r *run) linkOne(ctx context.Context, id string) (pair, error) {
	own, err := r.server.AddPhone(phones.Config{})
	if err != nil {
		return pair{}, err
	}
	contact, err := r.server.AddPhone(phones.Config{Script: phones.ScriptRead})
	if err != nil {
		return pair{}, err
	}
	if _, err := r.must(ctx, http.MethodPost, "/v1/sessions", map[string]any{"id": id, "start": true}); err != nil {
		return pair{}, err
	}
	a, err := r.must(ctx, http.MethodGet, "/v1/sessions/"+id+"/qr?wait=25s", nil)
	if err != nil {
		return pair{}, err
	}
	var qr struct {
		QR struct {
			Code string `json:"code"`
		} `json:"qr"`
	}
	if err := a.into(&qr); err != nil {
		return pair{}, err
	}
	if _, err := own.Scan(ctx, qr.QR.Code); err != nil {
		return pair{}, fmt.Errorf("scan: %w", err)
	}
	return pair{id, own, contact}, r.ready(ctx, id)
}

// ready waits until a session is READY.
func (r *run) ready(ctx context.Context, id string) error {
	for {
		var status struct {
			State string `json:"state"`
		}
		a, err := r.call(ctx, http.MethodGet, "/v1/sessions/"+id+"/status", nil)
		if err == nil && a.into(&status) == nil && status.State == "READY" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("session %s is %s: %w", id, status.State, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// load writes in both directions during the chaos. It ends when the chaos is over and all messages are written.
func (r *run) load(ctx context.Context) error {
	r.busy.Store(true)
	watched, done := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(watched) })
	defer watching.Wait()
	defer done()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer r.busy.Store(false)
		return r.chaos(ctx)
	})
	each := time.Duration(float64(len(r.pairs)) / r.cfg.Rate * float64(time.Second))
	for i := range r.pairs {
		group.Go(func() error { return r.send(ctx, &r.pairs[i], each) })
		group.Go(func() error { return r.write(ctx, &r.pairs[i], each) })
	}
	return group.Wait()
}

// watch reads the phones every second, because they drop old messages, and prints the progress every five.
func (r *run) watch(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		r.readPhones()
		if n%5 == 0 {
			r.progress()
		}
	}
}

// waitForArrivals waits until every message has arrived, or until none has arrived for cfg.Settle.
func (r *run) waitForArrivals(ctx context.Context) {
	r.server.ClearFaults()
	r.say("the load is over: waiting for messages that are still under way")
	last, since := -1, time.Now()
	for ctx.Err() == nil {
		r.readPhones()
		missing := r.sent.missing() + r.received.missing()
		switch {
		case missing == 0:
			return
		case missing != last:
			last, since = missing, time.Now()
		case time.Since(since) > r.cfg.Settle:
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (r *run) progress() {
	asked, arrived := r.sent.counts()
	wrote, delivered := r.received.counts()
	r.say("sent %d, arrived %d · received %d of %d · %d kills, %d faults", asked, arrived, delivered, wrote, r.kills.Load(), r.faults.Load())
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.cfg.Out, "%6.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}
