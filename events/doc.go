// Package events owns what is told about sessions to those who follow them: the live hub, which remembers a bounded
// number of events and never waits for a reader. It may import the vocabulary of package session; it knows neither
// HTTP nor actors, and starts no goroutine.
package events
