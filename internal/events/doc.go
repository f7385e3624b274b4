// Package events owns the events about sessions: their types and JSON (dto.go), the durable log, its readers, its
// retention, and the files that events carry.
//
// Log appends events, reads them and passes them on to readers. Feed writes the state changes that actors publish to
// the log, without blocking the actors. Retention deletes old events. The package may import the vocabulary of sessions
// and messages. It knows neither HTTP nor actors nor SQL. Stop ends everything that it starts.
package events
