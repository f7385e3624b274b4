// Package events is the part of /v1 that reads and follows the durable log of events: pages, event streams, WebSockets.
// It also writes the data of the log's own events about a session's state.
package events
