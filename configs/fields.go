package configs

import (
	"strings"
	"time"
)

// Key describes one thing that can be configured. The same name is the key in
// the file (nested at the dots) and the name of the flag.
type Key struct {
	Name    string // such as http.listen
	Env     string // such as WASUP_HTTP_LISTEN
	Default string // as it would be written in the file
	Unit    string // what the value counts or is
	Doc     string // one or more sentences
	Secret  bool   // the value may hold a credential: shown masked
}

// Keys lists every key, in the order of the default file.
func Keys() []Key {
	def := Default()
	keys := make([]Key, 0, 32)
	for _, f := range fields() {
		keys = append(keys, Key{
			Name: f.name, Env: envName(f.name), Default: f.get(&def),
			Unit: f.unit, Doc: f.doc, Secret: f.mask != nil,
		})
	}
	return keys
}

const envPrefix = "WASUP_"

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// day bounds every duration: a longer one is nearly always a slip of the unit.
const day = 24 * time.Hour

// fields is the one table of keys. Everything else (file, environment, flags,
// validation, the dump and the default file) is derived from it.
func fields() []field {
	all := make([]field, 0, 32)
	all = append(all, serverFields()...)
	all = append(all, qrFields()...)
	all = append(all, sessionFields()...)
	all = append(all, mediaFields()...)
	all = append(all, eventFields()...)
	all = append(all, webhookFields()...)
	all = append(all, sendFields()...)
	return append(all, processFields()...)
}

func serverFields() []field {
	return []field{
		listen(
			"http.listen", "Address that the HTTP API listens on. It must be a loopback address: there are no API keys yet, so whoever reaches the port owns every session. Port 0 takes a free one.",
			func(c *Config) *string { return &c.HTTP.Listen },
		),
		size(
			"http.body_limit", "Largest request body that is read; a larger one is answered 413.",
			func(c *Config) *int { return &c.HTTP.BodyLimit }, 1<<10, 1<<30,
		),
		dsn(
			"store.dsn", "Where devices and sessions are kept. The file of sqlite: and its folder are made when they are missing; a PostgreSQL database must exist. A password is better given in the environment than in a flag, which other users of the machine can see.",
			func(c *Config) *string { return &c.Store.DSN },
		),
		count(
			"store.max_conns", "connections", "PostgreSQL only: how many connections the process opens at most, beside the one that holds the lock on the database.",
			func(c *Config) *int { return &c.Store.MaxConns }, 2, 1000,
		),
		count(
			"store.idle_conns", "connections", "PostgreSQL only: how many connections stay open while there is nothing to do.",
			func(c *Config) *int { return &c.Store.IdleConns }, 1, 1000,
		),
		duration(
			"store.timeout", "PostgreSQL only: how long the server may take for one statement before it counts as failed.",
			func(c *Config) *time.Duration { return &c.Store.Timeout }, time.Second, time.Hour,
		),
		websocketURL(
			"whatsapp.websocket_url", "Server that sessions connect to. Point it at a sandbox to work without WhatsApp.",
			func(c *Config) *string { return &c.WhatsApp.WebsocketURL },
		),
		publicKey(
			"whatsapp.root_public_key", "Key that the server's certificate must be signed with. A sandbox prints its own when it starts.",
			func(c *Config) *[32]byte { return &c.WhatsApp.RootPublicKey },
		),
		proxyTemplate(
			"whatsapp.proxy", "Proxy of the sessions that have none of their own: http, https or socks5, with credentials if need be, for connections and media alike. {id} stands for the session's id and {n} for its place among whatsapp.proxy_pool_size proxies, from 0, which follows from the id: socks5://user-{id}:password@proxy-{n}.example:1080. A session whose proxy fails does not connect without it. Empty: such sessions take the proxy of the process' environment (HTTPS_PROXY), if any, and none to a loopback address.",
			func(c *Config) *string { return &c.WhatsApp.Proxy },
		),
		count(
			"whatsapp.proxy_pool_size", "proxies", "How many proxies {n} in whatsapp.proxy tells apart. Another size moves most sessions to another proxy.",
			func(c *Config) *int { return &c.WhatsApp.ProxyPoolSize }, 0, 1_000_000,
		),
	}
}

func qrFields() []field {
	return []field{
		duration(
			"qr.wait", "How long /qr-code waits for a QR, for READY or for a failure before it answers 504. Set the timeout of callers and proxies above it.",
			func(c *Config) *time.Duration { return &c.QR.Wait }, time.Millisecond, time.Hour,
		),
		count(
			"qr.waiters_per_session", "requests", "How many requests may wait for the QR of one session; the next one is answered 429.",
			func(c *Config) *int { return &c.QR.WaitersPerSession }, 1, 1_000_000,
		),
		count(
			"qr.waiters_total", "requests", "How many requests may wait for a QR in the whole process; the next one is answered 429.",
			func(c *Config) *int { return &c.QR.WaitersTotal }, 1, 10_000_000,
		),
		duration(
			"qr.unattended_after", "When WhatsApp's codes run out and nobody has asked for one during this time, the session stops pairing until somebody asks again.",
			func(c *Config) *time.Duration { return &c.QR.UnattendedAfter }, time.Millisecond, day,
		),
		duration(
			"qr.first_ttl", "How long the first code of a pairing is valid. WhatsApp decides this; change it only with a sandbox that does.",
			func(c *Config) *time.Duration { return &c.QR.FirstTTL }, time.Millisecond, time.Hour,
		),
		duration(
			"qr.ttl", "How long each later code of a pairing is valid.",
			func(c *Config) *time.Duration { return &c.QR.TTL }, time.Millisecond, time.Hour,
		),
	}
}

func sessionFields() []field {
	return []field{
		duration(
			"session.connect_deadline", "From opening the socket to being connected; after it the attempt counts as failed.",
			func(c *Config) *time.Duration { return &c.Session.ConnectDeadline }, time.Millisecond, time.Hour,
		),
		duration(
			"session.pairing_deadline", "From the scan of the QR to being connected; after it the attempt counts as failed.",
			func(c *Config) *time.Duration { return &c.Session.PairingDeadline }, time.Millisecond, time.Hour,
		),
		duration(
			"session.backoff_min", "Pause before the first reconnect. It doubles with every failure, with jitter.",
			func(c *Config) *time.Duration { return &c.Session.BackoffMin }, time.Millisecond, day,
		),
		duration(
			"session.backoff_max", "Longest pause between two reconnects.",
			func(c *Config) *time.Duration { return &c.Session.BackoffMax }, time.Millisecond, day,
		),
		count(
			"session.max_attempts", "attempts, 0 = unlimited", "Reconnects in a row before the session goes to ERROR and waits for session.cooldown.",
			func(c *Config) *int { return &c.Session.MaxAttempts }, 0, 1_000_000,
		),
		duration(
			"session.cooldown", "How long a session rests, after session.max_attempts or in quarantine, before it is tried again.",
			func(c *Config) *time.Duration { return &c.Session.Cooldown }, time.Millisecond, day,
		),
		duration(
			"session.keepalive_stale", "Without an answer to a keepalive for this long a socket that looks open counts as lost.",
			func(c *Config) *time.Duration { return &c.Session.KeepaliveStale }, time.Millisecond, day,
		),
		count(
			"session.connecting", "sessions", "How many sessions connect at the same time, apart for those that are linked and those that will show a QR; 0 is two for each processor, which answers everybody soonest. The others wait for their turn, at most a second behind one that hangs.",
			func(c *Config) *int { return &c.Session.Connecting }, 0, 100_000,
		),
	}
}

func sendFields() []field {
	return []field{
		duration(
			"send.timeout", "How long WhatsApp may take to acknowledge a message before the session reconnects.",
			func(c *Config) *time.Duration { return &c.Send.Timeout }, time.Millisecond, time.Hour,
		),
		count(
			"send.queue", "messages", "How many messages of one session may wait to be sent; the next one is refused (429).",
			func(c *Config) *int { return &c.Send.Queue }, 1, 1_000_000,
		),
		count(
			"send.max_attempts", "attempts, 0 = unlimited", "After how many attempts without an answer from WhatsApp a message fails, so that one which ends every connection does not hold up the others. Attempts that could not begin do not count.",
			func(c *Config) *int { return &c.Send.MaxAttempts }, 0, 1_000_000,
		),
		duration(
			"send.retry_min", "Pause before the second retry of a message; the first one follows as soon as the session is READY. It doubles with every attempt, with jitter.",
			func(c *Config) *time.Duration { return &c.Send.RetryMin }, time.Millisecond, day,
		),
		duration(
			"send.retry_max", "Longest pause between two attempts of a message.",
			func(c *Config) *time.Duration { return &c.Send.RetryMax }, time.Millisecond, day,
		),
		count(
			"send.window", "messages", "How many messages of a session are marked as being sent in one write. They leave one after another all the same; a larger window saves writes where a session sends a lot, and what is marked can no longer be cancelled.",
			func(c *Config) *int { return &c.Send.Window }, 1, 10_000,
		),
		rate(
			"send.rate", "messages a second, 0 = unlimited", "How fast one session may send. 0.2 is one message every five seconds.",
			func(c *Config) *float64 { return &c.Send.Rate }, 0, 100_000,
		),
		duration(
			"send.jitter", "Most that is added, at random, to the pause between two messages of a session.",
			func(c *Config) *time.Duration { return &c.Send.Jitter }, 0, time.Hour,
		),
		count(
			"send.daily_cap", "messages, 0 = unlimited", "How many messages of one session WhatsApp may take in a day (UTC); the others wait for the next day.",
			func(c *Config) *int { return &c.Send.DailyCap }, 0, 10_000_000,
		),
		duration(
			"send.key_retention", "How long an Idempotency-Key is remembered after its message was accepted.",
			func(c *Config) *time.Duration { return &c.Send.KeyRetention }, time.Second, 90*day,
		),
		duration(
			"send.retention", "How long messages that are sent, failed or cancelled are kept after their last change; at least as long as send.key_retention. The content of a message is deleted as soon as WhatsApp has it; that of a failed one, which can be queued again, is kept as long as the message.",
			func(c *Config) *time.Duration { return &c.Send.Retention }, time.Second, 3650*day,
		),
		count(
			"send.retention_count", "messages, 0 = unlimited", "How many such messages are kept at most, in all sessions together; the oldest go first, but none whose key is still remembered.",
			func(c *Config) *int { return &c.Send.RetentionCount }, 0, 1_000_000_000,
		),
	}
}

func mediaFields() []field {
	return []field{
		folder(
			"media.dir", "Where the files of outgoing messages are kept until they have left, and those of incoming ones as media.keep_incoming says. One process at a time may use it. Empty: beside a SQLite database, with its name and .media; ./data/wasup.media with PostgreSQL.",
			func(c *Config) *string { return &c.Media.Dir },
		),
		size(
			"media.max_size", "Largest file of a message, whichever way it comes; a larger one is answered 413. A proxy in front must let as much through, and a third more for base64.",
			func(c *Config) *int { return &c.Media.MaxSize }, 1<<10, 2<<30,
		),
		duration(
			"media.fetch_timeout", "How long a file may take to come from the address that a message names.",
			func(c *Config) *time.Duration { return &c.Media.FetchTimeout }, time.Millisecond, time.Hour,
		),
		boolean(
			"media.allow_private", "Whether files may be fetched from private networks and from this machine. Whoever may send messages can then read what answers there.",
			func(c *Config) *bool { return &c.Media.AllowPrivate },
		),
		duration(
			"media.keep", "How long an uploaded file is kept after its last use.",
			func(c *Config) *time.Duration { return &c.Media.Keep }, time.Minute, 365*day,
		),
		duration(
			"media.keep_incoming", "How long the files of incoming messages are kept on disk after they came, never longer than their events (events.retention_age, events.retention_count). They are fetched in the background as they come, and served when the session is stopped or WhatsApp has them no longer. 0 keeps none, and deletes what was kept before.",
			func(c *Config) *time.Duration { return &c.Media.KeepIncoming }, 0, 3650*day,
		),
		size(
			"media.keep_incoming_total", "How many bytes all kept files may have together; those that came first make room for others. Leave the disk more: the database may be on it too.",
			func(c *Config) *int { return &c.Media.KeepIncomingTotal }, 1<<10, 1<<50,
		),
		size(
			"media.keep_incoming_max_size", "Largest incoming file that is kept. A larger one is fetched from WhatsApp when somebody asks for it.",
			func(c *Config) *int { return &c.Media.KeepIncomingMaxSize }, 1<<10, 2<<30,
		),
		subset(
			"media.keep_incoming_kinds", "Which kinds of incoming files are kept; empty: all of them.",
			func(c *Config) *string { return &c.Media.KeepIncomingKinds }, "image", "video", "audio", "voice", "document", "sticker",
		),
		duration(
			"contacts.ttl", "How long WhatsApp's answer about a phone number is remembered, for all sessions; that there is no account as well.",
			func(c *Config) *time.Duration { return &c.Contacts.TTL }, time.Second, 90*day,
		),
		count(
			"contacts.per_minute", "phone numbers", "How many phone numbers of one session WhatsApp is asked about a minute, on average; up to 200 at once after a pause. What is remembered does not count; more is answered 429. WhatsApp restricts accounts that look many numbers up.",
			func(c *Config) *int { return &c.Contacts.PerMinute }, 1, 100_000,
		),
	}
}

func eventFields() []field {
	return []field{
		duration(
			"events.retention_age", "How long events are kept in the durable log, for readers and webhooks that come back and for the files of incoming messages; 0 is no limit.",
			func(c *Config) *time.Duration { return &c.Events.RetentionAge }, 0, 3650*day,
		),
		count(
			"events.retention_count", "events, 0 = unlimited", "How many of the newest events are kept, of all sessions together.",
			func(c *Config) *int { return &c.Events.RetentionCount }, 0, 1_000_000_000,
		),
		duration(
			"events.max_age", "How long events are kept beyond events.retention_age and events.retention_count because a webhook has yet to deliver them. What is removed then is counted, shown with the webhook, and told to its receiver. 0 is no limit.",
			func(c *Config) *time.Duration { return &c.Events.MaxAge }, 0, 3650*day,
		),
		count(
			"events.max_count", "events, 0 = unlimited", "How many of the newest events are kept at most because a webhook has yet to deliver the oldest of them.",
			func(c *Config) *int { return &c.Events.MaxCount }, 0, 1_000_000_000,
		),
	}
}

func processFields() []field {
	return []field{
		count(
			"supervisor.restarts", "restarts", "Crashes of one session within supervisor.window that are answered by a restart; one more puts it in quarantine. Other sessions are not touched.",
			func(c *Config) *int { return &c.Supervisor.Restarts }, 0, 1_000_000,
		),
		duration(
			"supervisor.window", "Time within which supervisor.restarts are counted.",
			func(c *Config) *time.Duration { return &c.Supervisor.Window }, time.Millisecond, 7*day,
		),
		rate(
			"boot.rate", "sessions a second", "How many sessions begin to connect each second when the process starts. One that hangs delays none: the next ones begin at their own turn.",
			func(c *Config) *float64 { return &c.Boot.Rate }, 0.01, 100_000,
		),
		duration(
			"boot.jitter", "Each start is delayed by a random time up to this, so that many processes do not connect in step.",
			func(c *Config) *time.Duration { return &c.Boot.Jitter }, 0, time.Hour,
		),
		duration(
			"shutdown.timeout", "How long a drain may take before the process exits all the same.",
			func(c *Config) *time.Duration { return &c.Shutdown.Timeout }, time.Millisecond, time.Hour,
		),
		level(
			"log.level", "Least important record that is logged.",
		),
		choice(
			"log.format", "Form of the log records on standard error.",
			func(c *Config) *string { return &c.Log.Format }, "text", "json",
		),
		boolean(
			"metrics.per_session", "Adds series with a session label to /metrics. With many sessions that is many series.",
			func(c *Config) *bool { return &c.Metrics.PerSession },
		),
		size(
			"memory.headroom", "How much garbage may gather before it is collected, at least; never less than what is in use. More of it takes memory and saves processor time while messages are sent. GOGC in the environment overrides it, GOMEMLIMIT bounds it.",
			func(c *Config) *int { return &c.Memory.Headroom }, 1<<20, 1<<30,
		),
	}
}

func webhookFields() []field {
	return []field{
		boolean(
			"webhooks.allow_private", "Lets webhooks reach private, local and other special networks. Whoever may register a webhook then reaches what this machine reaches.",
			func(c *Config) *bool { return &c.Webhooks.AllowPrivate },
		),
		duration(
			"webhooks.timeout", "How long a receiver may take for its answer before the attempt counts as failed.",
			func(c *Config) *time.Duration { return &c.Webhooks.Timeout }, time.Millisecond, 5*time.Minute,
		),
		duration(
			"webhooks.retry_min", "Pause before an event is delivered again. It doubles with every failure, with jitter.",
			func(c *Config) *time.Duration { return &c.Webhooks.RetryMin }, time.Millisecond, day,
		),
		duration(
			"webhooks.retry_max", "Longest pause between two attempts.",
			func(c *Config) *time.Duration { return &c.Webhooks.RetryMax }, time.Millisecond, day,
		),
		duration(
			"webhooks.retry_for", "How long after its first failure an event is given up: it becomes a dead letter, and the next one of its session follows.",
			func(c *Config) *time.Duration { return &c.Webhooks.RetryFor }, time.Millisecond, 30*day,
		),
		duration(
			"webhooks.keep_dead", "How long dead letters are kept.",
			func(c *Config) *time.Duration { return &c.Webhooks.KeepDead }, time.Second, 3650*day,
		),
		count(
			"webhooks.requests", "requests", "How many requests to receivers that answer well run at the same time, and how many to those that are slow or fail.",
			func(c *Config) *int { return &c.Webhooks.Requests }, 1, 100_000,
		),
		count(
			"webhooks.per_webhook", "requests", "How many requests to one receiver run at the same time, each for another session; the events of one session go one after the other.",
			func(c *Config) *int { return &c.Webhooks.PerWebhook }, 1, 10_000,
		),
		count(
			"webhooks.max", "webhooks", "How many webhooks may be registered, of all sessions together and for every session.",
			func(c *Config) *int { return &c.Webhooks.Max }, 1, 1_000_000,
		),
		count(
			"webhooks.per_session", "webhooks", "How many webhooks may be registered for one session, beside those for every session.",
			func(c *Config) *int { return &c.Webhooks.PerSession }, 1, 10_000,
		),
	}
}
