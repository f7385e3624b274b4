// Package events is the part of /v1 that reads and follows the durable log of events: pages, event streams, WebSockets.
// It also writes what an event of a session's state says, for the log itself.
package events
