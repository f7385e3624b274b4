package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wasup/configs"
	"wasup/internal/accept"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/admin"
)

const sandboxShutdown = 5 * time.Second

// playground is a sandbox server with its admin API.
type playground struct {
	server *sandbox.Server
	admin  *http.Server
	addr   string // host:port of the admin API
	log    *slog.Logger
	served chan struct{}
}

// playgroundConfig is the configuration of a playground. Addresses are host:port.
type playgroundConfig struct {
	listen, admin string // the WebSocket endpoint and the admin API
	tls           string // a second WebSocket endpoint with TLS, "" for none
	flags         string // what the names of the flags begin with: "--", or "--sandbox." of serve; "": "--"
	seed          string // 64 hex digits that fix the root key, "" for a random one
	state         string // the folder of the server's state, "" for none
	// minVersion is the lowest client version that may log in, webVersion the one that the front page offers; "" for none.
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
		return nil, cfg.listenError("admin", cfg.admin, err)
	}
	if err := server.Start(); err != nil {
		return nil, errors.Join(cfg.endpointError(err), listener.Close())
	}
	p := &playground{
		server: server, addr: listener.Addr().String(), log: log, served: make(chan struct{}),
		admin: &http.Server{Handler: admin.New(server, log, cfg.admin), ReadHeaderTimeout: sandboxShutdown},
	}
	go func() {
		defer close(p.served)
		if err := p.admin.Serve(accept.Wrap(listener, accept.Options{Log: log})); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin API of the sandbox failed", "err", err)
		}
	}()
	return p, nil
}

// listenError names the address that cannot be listened on, and the flag that changes it.
func (cfg playgroundConfig) listenError(flag, addr string, err error) error {
	flag = cmp.Or(cfg.flags, "--") + flag
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %s is taken by another process; choose another address with this flag: %w", flag, addr, syscall.EADDRINUSE)
	}
	return fmt.Errorf("%s: listen on %s: %w", flag, addr, err)
}

// endpointError is listenError for a WebSocket endpoint that did not start. Other errors stay as they are.
func (cfg playgroundConfig) endpointError(err error) error {
	var listening *net.OpError
	switch {
	case !errors.As(err, &listening):
		return err
	case cfg.tls != "" && listening.Addr != nil && listening.Addr.String() == cfg.tls:
		return cfg.listenError("tls", cfg.tls, err)
	default:
		return cfg.listenError("listen", cfg.listen, err)
	}
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
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("expected host:port, such as 127.0.0.1:3002")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("expected a port from 0 to 65535, such as 127.0.0.1:3002")
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("expected a loopback address, such as 127.0.0.1:3002: the sandbox has no authentication")
	}
	return nil
}

// adminURL returns the base URL of the admin API.
func (p *playground) adminURL() string { return "http://" + p.addr + admin.Prefix }

// point changes the configuration of a wasup so that it uses this server. Webhook receivers for experiments are on this
// machine, so they are allowed unless the operator has said what is.
func (p *playground) point(cfg *configs.Config, given map[string]bool) {
	cfg.WhatsApp.WebsocketURL = p.server.URL()
	cfg.WhatsApp.RootPublicKey = p.server.RootPublicKey()
	if given["webhooks.allow_private"] || given["webhooks.allow_loopback"] {
		return
	}
	cfg.Webhooks.AllowLoopback = true
	p.log.Info("with a sandbox, webhooks to this machine are allowed by default; webhooks.allow_loopback=false forbids them")
}

func (p *playground) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), sandboxShutdown)
	defer cancel()
	// Close the server first: that ends the event streams, for which Shutdown would wait.
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

// describeTLS returns the lines about the TLS endpoint, "" if there is none.
func (p *playground) describeTLS() string {
	if p.server.SecureURL() == "" {
		return ""
	}
	return fmt.Sprintf("  with TLS    %s\n  its CA      ca_pem in the answer of %s/server\n", p.server.SecureURL(), p.adminURL())
}

func sandboxCommand() *cobra.Command {
	var cfg playgroundConfig
	var level, scenarioName string
	var speed float64
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a local WhatsApp server with virtual phones and faults on demand",
		Long: `Runs a local WhatsApp server that speaks the real wire protocol to unmodified clients. Its virtual phones scan QRs,
receive, answer and read messages. An admin API and a page in the browser control them. Nothing leaves the machine.
See docs/sandbox.md.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var lv slog.Level
			if err := lv.UnmarshalText([]byte(level)); err != nil {
				return &usageError{fmt.Errorf("--log.level %q: expected debug, info, warn or error", level)}
			}
			scenario, err := readScenario(scenarioName, speed)
			if err != nil {
				return err
			}
			p, err := startPlayground(cfg, newLog(c.ErrOrStderr(), configs.Log{Level: lv}))
			if err != nil {
				return err
			}
			p.describe(c.OutOrStdout())
			if scenario != nil {
				if _, err := p.server.Scenarios().Start(*scenario, speed); err != nil {
					return errors.Join(err, p.stop())
				}
			}
			<-c.Context().Done()
			return p.stop()
		},
	}
	c.Flags().StringVar(&cfg.listen, "listen", "127.0.0.1:3003", "host:port of the WebSocket endpoint, loopback only; port 0 picks a free one")
	c.Flags().StringVar(&cfg.admin, "admin", "127.0.0.1:3002", "host:port of the admin API and page, loopback only; port 0 picks a free one")
	c.Flags().StringVar(&cfg.tls, "tls", "", "host:port of a second WebSocket endpoint with TLS and its own CA, loopback only; none by default")
	c.Flags().StringVar(&cfg.seed, "seed", "", "64 hex digits that fix the root key, so that clients trust it after a restart; random by default, or kept in --state")
	c.Flags().StringVar(&cfg.state, "state", "", "folder for the state of the sandbox, which then survives a restart; in memory by default")
	c.Flags().StringVar(&cfg.minVersion, "version.min", "", "lowest client version that may log in, such as 2.3000.1045649367; no limit by default")
	c.Flags().StringVar(&cfg.webVersion, "version.web", "", "client version that the front page offers; --version.min by default")
	c.Flags().StringVar(&scenarioName, "scenario", "", "scenario to play, a schedule of faults: a YAML file, or one of "+strings.Join(sandbox.ScenarioNames(), ", "))
	c.Flags().Float64Var(&speed, "scenario.speed", 1, "factor by which the scenario's clock runs faster")
	c.Flags().StringVar(&level, "log.level", "info", "least severe record to log: debug, info, warn or error")
	return c
}
