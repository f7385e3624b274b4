package configs

import (
	"strings"
	"time"
)

// Key describes one setting. Its name is the key in the file (nested at the dots)
// and the name of the flag.
type Key struct {
	Name    string // such as http.listen
	Env     string // such as WASUP_HTTP_LISTEN
	Default string // as written in the file
	Unit    string // the unit or the form of the value
	Doc     string // one or more sentences
	Secret  bool   // the value may contain a credential and is printed masked
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

// day is the upper bound of most durations: a longer one is nearly always a wrong unit.
const day = 24 * time.Hour

// fields returns the table of all keys. File, environment, flags, validation, the
// output of Write and the default file are all derived from it.
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
			"http.listen", "Address of the HTTP API. It must be a loopback address: there are no API keys yet, so anyone who can reach the port controls every session. Port 0 picks a free port.",
			func(c *Config) *string { return &c.HTTP.Listen },
		),
		size(
			"http.body_limit", "Maximum size of a request body. A larger body is answered with 413.",
			func(c *Config) *int { return &c.HTTP.BodyLimit }, 1<<10, 1<<30,
		),
		count(
			"http.max_connections", "connections", "Maximum number of open connections to the HTTP API. 0 means a quarter of the file descriptors that the process may have (ulimit -n), and 65536 at most; the rest is left to the sessions, of which each needs one, to the database, webhooks and files. At the limit, a new connection takes the place of the one that has been idle for the longest time. If none is idle, it is answered with 503.",
			func(c *Config) *int { return &c.HTTP.MaxConnections }, 0, 1_000_000,
		),
		list(
			"http.hosts", "hosts", "host names or addresses, such as wasup.example", "Further hosts that the API answers to, for example the name under which a proxy calls it. It always answers to localhost, 127.0.0.1, [::1] and the host of http.listen. Ports are ignored. A request for another host is answered with 421: it comes from a page whose name was made to resolve to this machine. Health probes and /metrics also answer to any IP address.",
			func(c *Config) *string { return &c.HTTP.Hosts }, isHost,
		),
		list(
			"http.trusted_proxies", "addresses or networks", "IP addresses or networks, such as 127.0.0.1 or 10.0.0.0/8", "Proxies whose X-Forwarded headers are believed. The host in X-Forwarded-Host must be one that the API answers to, like the one in Host.",
			func(c *Config) *string { return &c.HTTP.TrustedProxies }, isNetwork,
		),
		list(
			"http.cors_origins", "origins", "origins, such as https://app.example", "Origins of web pages that may call the API from elsewhere (CORS). Pages of all other origins are refused with 403; they can only link to the dashboard, the API page and the index.",
			func(c *Config) *string { return &c.HTTP.CORSOrigins }, isOrigin,
		),
		dsn(
			"store.dsn", "Database of devices, sessions, messages and events. An SQLite file and its folder are created if they are missing; a PostgreSQL database must exist. Pass a password in the environment, not in a flag: other users of the machine can see flags.",
			func(c *Config) *string { return &c.Store.DSN },
		),
		count(
			"store.max_conns", "connections", "PostgreSQL only: maximum number of connections, in addition to the one that holds the lock on the database.",
			func(c *Config) *int { return &c.Store.MaxConns }, 2, 1000,
		),
		count(
			"store.idle_conns", "connections", "PostgreSQL only: number of idle connections that stay open.",
			func(c *Config) *int { return &c.Store.IdleConns }, 1, 1000,
		),
		duration(
			"store.timeout", "PostgreSQL only: timeout of one statement.",
			func(c *Config) *time.Duration { return &c.Store.Timeout }, time.Second, time.Hour,
		),
		websocketURL(
			"whatsapp.websocket_url", "Server that sessions connect to. Set it to a sandbox to work without WhatsApp.",
			func(c *Config) *string { return &c.WhatsApp.WebsocketURL },
		),
		publicKey(
			"whatsapp.root_public_key", "Public key that signs the certificate of the server. A sandbox prints its key when it starts.",
			func(c *Config) *[32]byte { return &c.WhatsApp.RootPublicKey },
		),
		proxyTemplate(
			"whatsapp.proxy", "Proxy for the connections and media of sessions without their own proxy: http, https or socks5, with credentials if needed. {id} is replaced by the session's id. {n} is replaced by a number from 0 to whatsapp.proxy_pool_size - 1, which is always the same for an id. Example: socks5://user-{id}:password@proxy-{n}.example:1080. A session whose proxy fails does not connect without it. If empty, these sessions use the proxy of the environment (HTTPS_PROXY), if it is set, but not for loopback addresses.",
			func(c *Config) *string { return &c.WhatsApp.Proxy },
		),
		count(
			"whatsapp.proxy_pool_size", "proxies", "Number of proxies that {n} in whatsapp.proxy selects from. Changing it moves most sessions to another proxy.",
			func(c *Config) *int { return &c.WhatsApp.ProxyPoolSize }, 0, 1_000_000,
		),
	}
}

func qrFields() []field {
	return []field{
		duration(
			"qr.wait", "How long /qr-code waits for a QR, for READY or for a failure before it answers with 504. Set the timeouts of callers and proxies higher.",
			func(c *Config) *time.Duration { return &c.QR.Wait }, time.Millisecond, time.Hour,
		),
		count(
			"qr.waiters_per_session", "requests", "Maximum number of requests that wait for the QR of one session. Further requests are answered with 429.",
			func(c *Config) *int { return &c.QR.WaitersPerSession }, 1, 1_000_000,
		),
		count(
			"qr.waiters_total", "requests", "Maximum number of requests that wait for a QR in the whole process. Further requests are answered with 429.",
			func(c *Config) *int { return &c.QR.WaitersTotal }, 1, 10_000_000,
		),
		duration(
			"qr.unattended_after", "If WhatsApp's codes run out and no request has asked for a code during this time, the session stops pairing until the next request.",
			func(c *Config) *time.Duration { return &c.QR.UnattendedAfter }, time.Millisecond, day,
		),
		duration(
			"qr.first_ttl", "How long the first code of a pairing is valid. WhatsApp sets this time: change it only for a sandbox with another one.",
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
			"session.connect_deadline", "Maximum time from opening the socket to being connected. After it the attempt has failed.",
			func(c *Config) *time.Duration { return &c.Session.ConnectDeadline }, time.Millisecond, time.Hour,
		),
		duration(
			"session.pairing_deadline", "Maximum time from the scan of the QR to being connected. After it the attempt has failed.",
			func(c *Config) *time.Duration { return &c.Session.PairingDeadline }, time.Millisecond, time.Hour,
		),
		duration(
			"session.backoff_min", "Delay before the first reconnect. It doubles with every failure, with jitter.",
			func(c *Config) *time.Duration { return &c.Session.BackoffMin }, time.Millisecond, day,
		),
		duration(
			"session.backoff_max", "Maximum delay between two reconnects.",
			func(c *Config) *time.Duration { return &c.Session.BackoffMax }, time.Millisecond, day,
		),
		count(
			"session.max_attempts", "attempts, 0 = unlimited", "Number of consecutive failed reconnects after which the session goes to ERROR and waits for session.cooldown.",
			func(c *Config) *int { return &c.Session.MaxAttempts }, 0, 1_000_000,
		),
		duration(
			"session.cooldown", "How long a session waits after session.max_attempts, or in quarantine, before it is tried again.",
			func(c *Config) *time.Duration { return &c.Session.Cooldown }, time.Millisecond, day,
		),
		duration(
			"session.keepalive_stale", "If no keepalive is answered for this time, the socket counts as lost even if it looks open. It is noticed at most 11 seconds later. After a sleep of the machine, which its clock shows, each socket is checked at once.",
			func(c *Config) *time.Duration { return &c.Session.KeepaliveStale }, time.Millisecond, day,
		),
		duration(
			"session.ready_wait", "How long POST /send, read marks, presence, contact checks and downloads wait for a session that is just connecting again. After that they are refused as not ready. 0 refuses at once.",
			func(c *Config) *time.Duration { return &c.Session.ReadyWait }, 0, time.Minute,
		),
		count(
			"session.connecting", "sessions", "Maximum number of sessions that connect at the same time. Linked sessions and sessions that will show a QR are counted separately. 0 means two per processor, which gives the shortest waits. Other sessions wait for a place; a session that hangs keeps its place for at most a second.",
			func(c *Config) *int { return &c.Session.Connecting }, 0, 100_000,
		),
	}
}

func sendFields() []field {
	return []field{
		duration(
			"send.timeout", "Maximum time for WhatsApp to acknowledge a message. After it the session reconnects.",
			func(c *Config) *time.Duration { return &c.Send.Timeout }, time.Millisecond, time.Hour,
		),
		count(
			"send.queue", "messages", "Maximum number of messages of one session that wait to be sent. Further messages are refused with 429.",
			func(c *Config) *int { return &c.Send.Queue }, 1, 1_000_000,
		),
		count(
			"send.max_attempts", "attempts, 0 = unlimited", "Number of attempts without an answer from WhatsApp after which a message fails. Without a limit, a message that breaks every connection would block the messages behind it. Attempts that could not begin do not count.",
			func(c *Config) *int { return &c.Send.MaxAttempts }, 0, 1_000_000,
		),
		duration(
			"send.retry_min", "Delay before the second retry of a message. The first retry follows as soon as the session is READY. The delay doubles with every attempt, with jitter.",
			func(c *Config) *time.Duration { return &c.Send.RetryMin }, time.Millisecond, day,
		),
		duration(
			"send.retry_max", "Maximum delay between two attempts of a message.",
			func(c *Config) *time.Duration { return &c.Send.RetryMax }, time.Millisecond, day,
		),
		count(
			"send.window", "messages", "Number of messages of a session that one database write marks as being sent. They are still sent one after another. A larger window saves writes for a session that sends a lot, but a marked message can no longer be cancelled.",
			func(c *Config) *int { return &c.Send.Window }, 1, 10_000,
		),
		rate(
			"send.rate", "messages a second, 0 = unlimited", "Maximum rate at which one session sends. 0.2 is one message every five seconds.",
			func(c *Config) *float64 { return &c.Send.Rate }, 0, 100_000,
		),
		duration(
			"send.jitter", "Maximum of a random delay that is added between two messages of a session.",
			func(c *Config) *time.Duration { return &c.Send.Jitter }, 0, time.Hour,
		),
		count(
			"send.daily_cap", "messages, 0 = unlimited", "Maximum number of messages that one session sends per day (UTC). Further messages wait for the next day.",
			func(c *Config) *int { return &c.Send.DailyCap }, 0, 10_000_000,
		),
		duration(
			"send.key_retention", "How long an Idempotency-Key is remembered after its message was accepted.",
			func(c *Config) *time.Duration { return &c.Send.KeyRetention }, time.Second, 90*day,
		),
		duration(
			"send.retention", "How long sent, failed and cancelled messages are kept after their last change, at least for send.key_retention. The content of a message is deleted once WhatsApp has acknowledged it. A failed message keeps its content, because it can be queued again.",
			func(c *Config) *time.Duration { return &c.Send.Retention }, time.Second, 3650*day,
		),
		count(
			"send.retention_count", "messages, 0 = unlimited", "Maximum number of sent, failed and cancelled messages that are kept, of all sessions together. The oldest are deleted first, but none whose Idempotency-Key is still remembered.",
			func(c *Config) *int { return &c.Send.RetentionCount }, 0, 1_000_000_000,
		),
	}
}

func mediaFields() []field {
	return []field{
		folder(
			"media.dir", "Folder of the files of outgoing messages until they are sent, and of incoming files for media.keep_incoming. Only one process at a time may use it. If empty, it is the path of the SQLite database with .media for its extension, or ./data/wasup.media with PostgreSQL.",
			func(c *Config) *string { return &c.Media.Dir },
		),
		size(
			"media.max_size", "Maximum size of the file of a message, in any form. A larger file is answered with 413. A reverse proxy must allow bodies of this size, and a third more for base64.",
			func(c *Config) *int { return &c.Media.MaxSize }, 1<<10, 2<<30,
		),
		size(
			"media.max_total", "Maximum size of all files of outgoing messages together: uploaded ones, and those of messages that are not sent yet. A file beyond it is refused with 507. Space is free again when messages are sent, and when uploaded files are no longer kept (media.keep).",
			func(c *Config) *int { return &c.Media.MaxTotal }, 1<<10, 1<<50,
		),
		duration(
			"media.fetch_timeout", "Maximum time to download a file from the URL in a message.",
			func(c *Config) *time.Duration { return &c.Media.FetchTimeout }, time.Millisecond, time.Hour,
		),
		boolean(
			"media.allow_private", "Allows downloads of files from private networks and from this machine. Anyone who can send messages can then read what those addresses answer.",
			func(c *Config) *bool { return &c.Media.AllowPrivate },
		),
		duration(
			"media.keep", "How long an uploaded file is kept after its last use.",
			func(c *Config) *time.Duration { return &c.Media.Keep }, time.Minute, 365*day,
		),
		duration(
			"media.keep_incoming", "How long the files of incoming messages are kept on disk, but never longer than their events (events.retention_age, events.retention_count, events.retention_size). They are downloaded in the background when they arrive, and can be read while the session is stopped or when WhatsApp has deleted them. 0 keeps no files and deletes those that were kept before.",
			func(c *Config) *time.Duration { return &c.Media.KeepIncoming }, 0, 3650*day,
		),
		size(
			"media.keep_incoming_total", "Maximum size of all kept incoming files together. The oldest are deleted first. The disk needs more space than this: the database may be on it, too.",
			func(c *Config) *int { return &c.Media.KeepIncomingTotal }, 1<<10, 1<<50,
		),
		size(
			"media.keep_incoming_max_size", "Maximum size of an incoming file that is kept. A larger file is downloaded from WhatsApp on request.",
			func(c *Config) *int { return &c.Media.KeepIncomingMaxSize }, 1<<10, 2<<30,
		),
		subset(
			"media.keep_incoming_kinds", "Kinds of incoming files that are kept. If empty, all kinds are kept.",
			func(c *Config) *string { return &c.Media.KeepIncomingKinds }, "image", "video", "audio", "voice", "document", "sticker",
		),
		duration(
			"contacts.ttl", "How long an answer of WhatsApp about a phone number is remembered, for all sessions. The answer may also be that there is no account.",
			func(c *Config) *time.Duration { return &c.Contacts.TTL }, time.Second, 90*day,
		),
		count(
			"contacts.per_minute", "phone numbers a minute", "Maximum number of phone numbers per minute, on average, that one session looks up at WhatsApp. After a pause up to 200 are allowed at once. Remembered answers do not count. Further look-ups are answered with 429. WhatsApp restricts accounts that look up many numbers.",
			func(c *Config) *int { return &c.Contacts.PerMinute }, 1, 100_000,
		),
	}
}

func eventFields() []field {
	return []field{
		duration(
			"events.retention_age", "How long events are kept in the durable log, for readers and webhooks that reconnect and for the files of incoming messages. 0 means no limit.",
			func(c *Config) *time.Duration { return &c.Events.RetentionAge }, 0, 3650*day,
		),
		count(
			"events.retention_count", "events, 0 = unlimited", "Maximum number of events that are kept, of all sessions together. The oldest are deleted first.",
			func(c *Config) *int { return &c.Events.RetentionCount }, 0, 1_000_000_000,
		),
		size(
			"events.retention_size", "Maximum size of the events that are kept, of all sessions together. The oldest are deleted first. Indexes and free pages of the database come on top. 0 means no limit.",
			func(c *Config) *int { return &c.Events.RetentionSize }, 0, 1<<50,
		),
		duration(
			"events.max_age", "Maximum age of events that are kept beyond events.retention_age, events.retention_count and events.retention_size because a webhook has not delivered them yet. Events that are deleted undelivered are counted, shown at the webhook, and reported to its receiver. 0 means no limit.",
			func(c *Config) *time.Duration { return &c.Events.MaxAge }, 0, 3650*day,
		),
		count(
			"events.max_count", "events, 0 = unlimited", "Maximum number of events that are kept beyond events.retention_age and events.retention_count because a webhook has not delivered the oldest ones yet.",
			func(c *Config) *int { return &c.Events.MaxCount }, 0, 1_000_000_000,
		),
		size(
			"events.max_size", "Maximum size of the events that are kept beyond events.retention_size because a webhook has not delivered the oldest ones yet. 0 means no limit.",
			func(c *Config) *int { return &c.Events.MaxSize }, 0, 1<<50,
		),
		size(
			"events.memory", "Size of the newest events that are kept in memory for readers, at most 4096 events. Readers that are further behind read the database.",
			func(c *Config) *int { return &c.Events.Memory }, 64<<10, 1<<30,
		),
	}
}

func processFields() []field {
	return []field{
		count(
			"supervisor.restarts", "restarts", "Number of crashes of one session within supervisor.window that are answered with a restart. One more crash puts it in quarantine. Other sessions are not affected.",
			func(c *Config) *int { return &c.Supervisor.Restarts }, 0, 1_000_000,
		),
		duration(
			"supervisor.window", "Period in which crashes are counted for supervisor.restarts.",
			func(c *Config) *time.Duration { return &c.Supervisor.Window }, time.Millisecond, 7*day,
		),
		rate(
			"boot.rate", "sessions a second", "Number of sessions per second that begin to connect when the process starts. A session that hangs does not delay the others.",
			func(c *Config) *float64 { return &c.Boot.Rate }, 0.01, 100_000,
		),
		duration(
			"boot.jitter", "Maximum random delay that is added to the start of each session at boot, so that many processes do not connect at the same moment.",
			func(c *Config) *time.Duration { return &c.Boot.Jitter }, 0, time.Hour,
		),
		duration(
			"shutdown.timeout", "Maximum duration of the drain. After it the process exits anyway.",
			func(c *Config) *time.Duration { return &c.Shutdown.Timeout }, time.Millisecond, time.Hour,
		),
		level(
			"log.level", "Least severe level that is logged.",
		),
		choice(
			"log.format", "Format of the log on standard error.",
			func(c *Config) *string { return &c.Log.Format }, "text", "json",
		),
		boolean(
			"metrics.per_session", "Adds time series with a session label to /metrics. Many sessions then mean many series.",
			func(c *Config) *bool { return &c.Metrics.PerSession },
		),
		size(
			"memory.headroom", "Minimum amount of garbage before the garbage collector runs. If the live heap is larger, Go's own rule applies: it runs when there is as much garbage as live heap. A higher value needs more memory and saves CPU while messages are sent. If GOGC is set, this key has no effect. GOMEMLIMIT still limits the total.",
			func(c *Config) *int { return &c.Memory.Headroom }, 1<<20, 1<<30,
		),
	}
}

func webhookFields() []field {
	return []field{
		boolean(
			"webhooks.allow_private", "Allows webhooks to private, local and other special networks. Anyone who can register a webhook can then reach every address that this machine can.",
			func(c *Config) *bool { return &c.Webhooks.AllowPrivate },
		),
		boolean(
			"webhooks.allow_loopback", "Allows webhooks to this machine (127.0.0.0/8 and ::1), and to no other private network. With a sandbox in the same process (serve --sandbox, demo) the default is true, unless webhooks.allow_private is set.",
			func(c *Config) *bool { return &c.Webhooks.AllowLoopback },
		),
		duration(
			"webhooks.timeout", "Maximum time for a receiver to answer. After it the attempt has failed.",
			func(c *Config) *time.Duration { return &c.Webhooks.Timeout }, time.Millisecond, 5*time.Minute,
		),
		duration(
			"webhooks.retry_min", "Delay before the first retry of an event. It doubles with every failure, with jitter.",
			func(c *Config) *time.Duration { return &c.Webhooks.RetryMin }, time.Millisecond, day,
		),
		duration(
			"webhooks.retry_max", "Maximum delay between two attempts to deliver an event.",
			func(c *Config) *time.Duration { return &c.Webhooks.RetryMax }, time.Millisecond, day,
		),
		duration(
			"webhooks.retry_for", "Time after the first failure of an event at which it is given up. It becomes a dead letter, and the next event of its session follows.",
			func(c *Config) *time.Duration { return &c.Webhooks.RetryFor }, time.Millisecond, 30*day,
		),
		duration(
			"webhooks.keep_dead", "How long dead letters are kept.",
			func(c *Config) *time.Duration { return &c.Webhooks.KeepDead }, time.Second, 3650*day,
		),
		count(
			"webhooks.requests", "requests", "Maximum number of concurrent requests to healthy receivers. Slow and failing receivers share a separate pool of the same size.",
			func(c *Config) *int { return &c.Webhooks.Requests }, 1, 100_000,
		),
		count(
			"webhooks.per_webhook", "requests", "Maximum number of concurrent requests to one receiver, each for another session. The events of one session are delivered one after another.",
			func(c *Config) *int { return &c.Webhooks.PerWebhook }, 1, 10_000,
		),
		count(
			"webhooks.max", "webhooks", "Maximum number of registered webhooks: those for a single session and those for all sessions, together.",
			func(c *Config) *int { return &c.Webhooks.Max }, 1, 1_000_000,
		),
		count(
			"webhooks.per_session", "webhooks", "Maximum number of webhooks for one session, not counting those for all sessions.",
			func(c *Config) *int { return &c.Webhooks.PerSession }, 1, 10_000,
		),
	}
}
