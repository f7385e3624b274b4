package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/admin"
)

const sandboxShutdown = 5 * time.Second

// playground is a sandbox server with its admin API.
type playground struct {
	server *sandbox.Server
	admin  *http.Server
	addr   string // of the admin API
	log    *slog.Logger
	served chan struct{}
}

// playgroundConfig says where a playground listens. Seed is 64 hex digits that fix the root key, or "" for a new one.
// TLS is where a second endpoint speaks TLS, "" for nowhere.
type playgroundConfig struct {
	listen, admin string
	tls           string
	seed          string
	state         string // the folder of the server's state, "" for none
	// minVersion is the oldest client that is let in, webVersion the one that is offered; "" for none.
	minVersion, webVersion string
}

func startPlayground(cfg playgroundConfig, log *slog.Logger) (*playground, error) {
	addresses := map[string]string{"--listen": cfg.listen, "--admin": cfg.admin}
	if cfg.tls != "" {
		addresses["--tls"] = cfg.tls
	}
	for flag, addr := range addresses {
		if err := loopback(addr); err != nil {
			return nil, &usageError{fmt.Errorf("%s %q: %w", flag, addr, err)}
		}
	}
	authority, err := authorityOf(cfg.seed, cfg.state)
	if err != nil {
		return nil, err
	}
	least, err := versionFlag("--version.min", cfg.minVersion)
	if err != nil {
		return nil, err
	}
	offered, err := versionFlag("--version.web", cfg.webVersion)
	if err != nil {
		return nil, err
	}
	server, err := sandbox.New(sandbox.Config{
		Listen: cfg.listen, TLS: cfg.tls != "", TLSListen: cfg.tls, Authority: authority, State: cfg.state,
		MinVersion: least, WebVersion: offered, Log: log,
	})
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", cfg.admin)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for the sandbox's admin API: %w", cfg.admin, err)
	}
	if err := server.Start(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	p := &playground{
		server: server, addr: listener.Addr().String(), log: log, served: make(chan struct{}),
		admin: &http.Server{Handler: admin.New(server, log), ReadHeaderTimeout: sandboxShutdown},
	}
	go func() {
		defer close(p.served)
		if err := p.admin.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the sandbox's admin API failed", "err", err)
		}
	}()
	return p, nil
}

func versionFlag(flag, text string) (sandbox.Version, error) {
	if text == "" {
		return sandbox.Version{}, nil
	}
	version, err := sandbox.ParseVersion(text)
	if err != nil {
		return version, &usageError{fmt.Errorf("%s %q: expected three numbers such as 2.3000.1045649367", flag, text)}
	}
	return version, nil
}

// loopback refuses addresses that others can reach: the sandbox has no authentication.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("expected host:port, such as 127.0.0.1:3002")
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("expected a loopback address, such as 127.0.0.1:3002: the sandbox has no authentication")
	}
	return nil
}

// adminURL is where the admin API's routes begin.
func (p *playground) adminURL() string { return "http://" + p.addr + admin.Prefix }

// point makes a wasup talk to this server.
func (p *playground) point(cfg *configs.Config) {
	cfg.WhatsApp.WebsocketURL = p.server.URL()
	cfg.WhatsApp.RootPublicKey = p.server.RootPublicKey()
	cfg.Webhooks.AllowPrivate = true // receivers to try things with are on this machine
}

func (p *playground) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), sandboxShutdown)
	defer cancel()
	// The server first: its end is the end of the streams that somebody may be following.
	err := p.server.Close(ctx)
	if p.admin.Shutdown(ctx) != nil {
		err = errors.Join(err, p.admin.Close())
	}
	<-p.served
	return err
}

func (p *playground) describe(w io.Writer) {
	root := p.server.RootPublicKey()
	_, _ = fmt.Fprintf(w, `sandbox
  WebSocket   %s
  root key    %x
  admin API   %s/
  the phones  http://%s/   in a browser
%s
Point a wasup at it:
  WASUP_WHATSAPP_WEBSOCKET_URL=%s \
  WASUP_WHATSAPP_ROOT_PUBLIC_KEY=%x wasup serve

`, p.server.URL(), root, p.adminURL(), p.addr, p.describeTLS(), p.server.URL(), root)
}

// describeTLS is empty without a TLS endpoint.
func (p *playground) describeTLS() string {
	if p.server.SecureURL() == "" {
		return ""
	}
	return fmt.Sprintf("  with TLS    %s\n  its CA      ca_pem in the answer of %s/server\n", p.server.SecureURL(), p.adminURL())
}

func sandboxCommand() *cobra.Command {
	var cfg playgroundConfig
	var level, weather string
	var speed float64
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a WhatsApp server of your own: the real protocol, virtual phones, faults on demand",
		Long: `Runs a local WhatsApp server that speaks the real wire protocol to unmodified clients, with virtual phones that scan
QRs, receive, answer and read, and an admin API to drive them. Nothing leaves the machine. See docs/sandbox.md.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var lv slog.Level
			if err := lv.UnmarshalText([]byte(level)); err != nil {
				return &usageError{fmt.Errorf("--log.level %q: expected debug, info, warn or error", level)}
			}
			scenario, err := readScenario(weather, speed)
			if err != nil {
				return err
			}
			p, err := startPlayground(cfg, newLog(c.ErrOrStderr(), configs.Log{Level: lv}))
			if err != nil {
				return err
			}
			p.describe(c.OutOrStdout())
			if scenario != nil {
				if _, err := p.server.StartScenario(*scenario, speed); err != nil {
					return errors.Join(err, p.stop())
				}
			}
			<-c.Context().Done()
			return p.stop()
		},
	}
	c.Flags().StringVar(&cfg.listen, "listen", "127.0.0.1:3003", "host:port of the WebSocket endpoint, loopback only; port 0 takes a free one")
	c.Flags().StringVar(&cfg.admin, "admin", "127.0.0.1:3002", "host:port of the admin API, loopback only; port 0 takes a free one")
	c.Flags().StringVar(&cfg.tls, "tls", "", "host:port of a second WebSocket endpoint that speaks TLS under a CA of its own, loopback only; none by default")
	c.Flags().StringVar(&cfg.seed, "seed", "", "64 hex digits that fix the root key, so that clients keep trusting it after a restart")
	c.Flags().StringVar(&cfg.state, "state", "", "folder in which the sandbox keeps what it knows, so that it goes on after its own restart; it forgets by default")
	c.Flags().StringVar(&cfg.minVersion, "version.min", "", "refuse clients of an older version than this, such as 2.3000.1045649367; all are let in by default")
	c.Flags().StringVar(&cfg.webVersion, "version.web", "", "the version that the front page offers to clients that look for a newer one; --version.min by default")
	c.Flags().StringVar(&weather, "scenario", "", "what goes wrong, and when: a YAML file, or one of "+strings.Join(sandbox.ScenarioNames(), ", "))
	c.Flags().Float64Var(&speed, "scenario.speed", 1, "how many times faster than written the scenario's time passes")
	c.Flags().StringVar(&level, "log.level", "info", "debug, info, warn or error")
	return c
}
