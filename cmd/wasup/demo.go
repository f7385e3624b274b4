package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wasup/configs"
	"wasup/internal/app"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// The accounts of the demo. Ana's is linked to wasup. Bruno is a contact whose phone reads every message.
const (
	anaNumber   = "5491155550101"
	brunoNumber = "34600111222"
	demoClient  = "51"
	demoText    = "Hello from wasup"
	demoBound   = 90 * time.Second // for all steps together
)

func addPhones(server *sandbox.Server) error {
	for _, phone := range []phones.Config{
		{Number: anaNumber, Name: "Ana"},
		{Number: brunoNumber, Name: "Bruno"},
	} {
		if _, err := server.AddPhone(phone); err != nil {
			return err
		}
	}
	return nil
}

func demoCommand(environ []string) *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show pairing, sending and reading against a sandbox, without a phone or internet",
		Long: `Runs wasup and a sandbox in one process. It gets a QR over HTTP, draws it, makes a virtual phone scan that picture,
waits until the session is READY, sends a message and shows that the other phone decrypted and read it. Then it keeps
serving and prints commands to try next. Unless store.dsn is set, everything is deleted at the end.`,
		Args: noArgs,
	}
	s := newSettings(c, environ)
	c.Flags().BoolVar(&once, "once", false, "exit after the last step; exit code 0 only if every step succeeded")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		if !c.Flags().Changed("log.level") && cfg.Log.Level == configs.Default().Log.Level {
			cfg.Log.Level = slog.LevelWarn // log lines would hide the steps, which are the output
		}
		return runDemo(c, cfg, s.given, once)
	}
	return c
}

func runDemo(c *cobra.Command, cfg configs.Config, given map[string]bool, once bool) (err error) {
	log := newLog(c.ErrOrStderr(), cfg.Log)
	remove, err := temporaryStore(&cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	p, err := startPlayground(playgroundConfig{listen: "127.0.0.1:0", admin: "127.0.0.1:0"}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := addPhones(p.server); err != nil {
		return err
	}
	p.point(&cfg, given)
	wasup := app.New(cfg, version, log)
	err = wasup.Start(c.Context())
	if errors.Is(err, syscall.EADDRINUSE) && cfg.HTTP.Listen == configs.Default().HTTP.Listen {
		c.Printf("%s is taken, so the demo takes a free port.\n", cfg.HTTP.Listen)
		cfg.HTTP.Listen = "127.0.0.1:0"
		wasup = app.New(cfg, version, log)
		err = wasup.Start(c.Context())
	}
	if err != nil {
		return err
	}
	d := &demo{out: c.OutOrStdout(), api: "http://" + wasup.Addr(), admin: p.adminURL(), url: p.server.URL()}
	bounded, cancel := context.WithTimeout(c.Context(), demoBound)
	shown := d.steps(bounded)
	cancel()
	if once || shown != nil || c.Context().Err() != nil {
		return errors.Join(shown, wasup.Shutdown(c.Context()))
	}
	d.say("")
	printTour(d.out, d.api, d.admin, true)
	return wasup.Wait(c.Context())
}

// demo is a client of wasup and of the sandbox. It uses only their HTTP APIs.
type demo struct {
	out             io.Writer
	api, admin, url string
	step            int
}

func (d *demo) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) done(began time.Time, format string, args ...any) {
	d.step++
	d.say("%d. %s  (%s)", d.step, fmt.Sprintf(format, args...), time.Since(began).Round(time.Millisecond))
}

func (d *demo) steps(ctx context.Context) error {
	d.say("wasup %s on %s, a local WhatsApp server on %s\n", version, d.api, d.url)
	png, err := d.askForQR(ctx)
	if err != nil {
		return err
	}
	if err := d.scan(ctx, png); err != nil {
		return err
	}
	if err := d.waitReady(ctx); err != nil {
		return err
	}
	id, err := d.send(ctx)
	if err != nil {
		return err
	}
	return d.seen(ctx, id)
}

func (d *demo) askForQR(ctx context.Context) ([]byte, error) {
	began := time.Now()
	var answer struct{ QR string }
	if err := d.call(ctx, http.MethodGet, d.api+"/qr-code", nil, http.StatusOK, &answer); err != nil {
		return nil, fmt.Errorf("ask for a QR: %w", err)
	}
	d.done(began, "GET /qr-code as client %s: the session started and the server issued this code", demoClient)
	encoded, ok := strings.CutPrefix(answer.QR, "data:image/png;base64,")
	png, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return nil, errors.New("ask for a QR: the answer contains no PNG")
	}
	picture, err := drawPNG(png)
	if err != nil {
		return nil, fmt.Errorf("draw the QR: %w", err)
	}
	d.say("\n%s", picture)
	return png, nil
}

func (d *demo) scan(ctx context.Context, png []byte) error {
	began := time.Now()
	var answer struct{ Device string }
	if err := d.call(ctx, http.MethodPost, d.admin+"/phones/"+anaNumber+"/scan", png, http.StatusOK, &answer); err != nil {
		return fmt.Errorf("scan the QR: %w", err)
	}
	d.done(began, "Ana's virtual phone +%s scanned the PNG and linked device %s", anaNumber, answer.Device)
	return nil
}

// waitReady asks for a QR again: /qr-code answers 409 once the session is READY.
func (d *demo) waitReady(ctx context.Context) error {
	began := time.Now()
	var answer struct {
		State string `json:"current_state"`
	}
	if err := d.call(ctx, http.MethodGet, d.api+"/qr-code", nil, http.StatusConflict, &answer); err != nil {
		return fmt.Errorf("wait for READY: %w", err)
	}
	if answer.State != "READY" {
		return fmt.Errorf("wait for READY: the session is %s", answer.State)
	}
	d.done(began, "The session logged in again with its new credentials: READY")
	return nil
}

func (d *demo) send(ctx context.Context) (string, error) {
	began := time.Now()
	var answer struct {
		ID string `json:"message_id"`
	}
	body := fmt.Appendf(nil, `{"to":%q,"message":%q}`, brunoNumber, demoText)
	if err := d.call(ctx, http.MethodPost, d.api+"/send", body, http.StatusOK, &answer); err != nil {
		return "", fmt.Errorf("send a message: %w", err)
	}
	d.done(began, "POST /send to +%s: acknowledged by the server as %s", brunoNumber, answer.ID)
	return answer.ID, nil
}

func (d *demo) seen(ctx context.Context, id string) error {
	began := time.Now()
	var answer struct {
		Messages []struct{ ID, Text, Status string }
	}
	for {
		err := d.call(ctx, http.MethodGet, d.admin+"/phones/"+brunoNumber+"/messages?wait=10s", nil, http.StatusOK, &answer)
		if err != nil {
			return fmt.Errorf("look at Bruno's phone: %w", err)
		}
		for _, message := range answer.Messages {
			if message.ID == id && message.Text == demoText && message.Status == "read" {
				d.done(began, "Bruno's phone decrypted %q and read it", message.Text)
				return nil
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("look at Bruno's phone: message %s was not read in time", id)
		}
	}
}

// call sends one request and decodes the JSON answer into into. Any other status is an error.
func (d *demo) call(ctx context.Context, method, url string, body []byte, status int, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Cliente-Id", demoClient)
	request.Header.Set("Content-Type", http.DetectContentType(body))
	if bytes.HasPrefix(body, []byte("{")) {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != status {
		return fmt.Errorf("%s %s answered %s: %s", method, url, response.Status, bytes.TrimSpace(text))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	return nil
}
