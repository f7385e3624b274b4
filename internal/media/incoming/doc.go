// Package incoming owns the files of incoming messages that are kept on disk: which are to be fetched, when, by how many at a
// time, what becomes of those that cannot be, and which have to go. It may import the vocabulary of package session; it
// knows neither HTTP nor SQL nor WhatsApp, and what it starts is ended by Stop.
package incoming
