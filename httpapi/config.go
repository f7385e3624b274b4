package httpapi

import (
	"errors"
	"fmt"
	"time"

	"wasup/internal/accept"
)

// Config is how the server behaves. The zero value of a field means its default, where it has one.
type Config struct {
	Listen         string        // host:port of a loopback address; with port 0 the system chooses one. Needed by Start.
	QRWait         time.Duration // how long GET /qr-code waits unless ?wait= says otherwise; default 30 s
	HubWait        time.Duration // the same for the hub's POST …/qr; default QRWait, but 25 s at most
	MaxWait        time.Duration // the longest ?wait=; default 2 min, and never below QRWait and HubWait
	StartTimeout   time.Duration // how long POST /init and the verbs of /v1 may take; default 10 s
	LinkTimeout    time.Duration // how long a step of linking, or deleting a session, may take; default 45 s
	SendTimeout    time.Duration // the longest POST /send; default 60 s; the sender's own limit should be shorter
	BodyLimit      int           // bytes of a request body, files apart; default 1 MiB
	UploadKeep     time.Duration // how long an uploaded file is kept; default 24 h
	Connections    int           // connections open at the same time; default a quarter of the process's descriptors
	Streams        int           // event streams open at the same time; default 1,000
	Heartbeat      time.Duration // between two comments on a silent event stream; default 15 s
	Hosts          []string      // hosts that it answers to, besides those of this machine and of Listen; ports are ignored
	Origins        []string      // of pages of other origins that may call it
	TrustedProxies []string      // addresses and networks of proxies whose X-Forwarded headers are believed
	MaxAttempts    int           // reconnects in a row before ERROR, shown for unknown clients; 0: no limit

	Now func() time.Time // the clock; default time.Now
}

// hubLimit is 5 s less than the 30 s after which the hub gives up, so that the answer arrives in time.
const hubLimit = 25 * time.Second

func (c Config) withDefaults() (Config, error) {
	var errs []error
	duration := func(name string, field *time.Duration, def time.Duration) {
		if *field < 0 {
			errs = append(errs, fmt.Errorf("httpapi: Config.%s is %s: expected a positive duration", name, *field))
		}
		if *field == 0 {
			*field = def
		}
	}
	number := func(name string, field *int, def int) {
		if *field < 0 {
			errs = append(errs, fmt.Errorf("httpapi: Config.%s is %d: expected 0 or more", name, *field))
		}
		if *field == 0 {
			*field = def
		}
	}
	duration("QRWait", &c.QRWait, 30*time.Second)
	duration("HubWait", &c.HubWait, min(c.QRWait, hubLimit))
	duration("MaxWait", &c.MaxWait, 2*time.Minute)
	duration("StartTimeout", &c.StartTimeout, 10*time.Second)
	duration("LinkTimeout", &c.LinkTimeout, 45*time.Second)
	duration("Heartbeat", &c.Heartbeat, 15*time.Second)
	duration("SendTimeout", &c.SendTimeout, time.Minute)
	duration("UploadKeep", &c.UploadKeep, 24*time.Hour)
	number("BodyLimit", &c.BodyLimit, 1<<20)
	number("Connections", &c.Connections, accept.Connections())
	number("Streams", &c.Streams, 1000)
	number("MaxAttempts", &c.MaxAttempts, 0)
	c.MaxWait = max(c.MaxWait, c.QRWait, c.HubWait)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, errors.Join(errs...)
}
