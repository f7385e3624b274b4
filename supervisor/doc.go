// Package supervisor spawns one actor per WhatsApp session, restarts the one that fails and keeps every other one
// untouched, and is the facade through which the rest of the process reaches sessions.
//
// It alone knows that a session lives in this process; callers see identifiers and typed answers. It must not know
// HTTP, SQL or the WhatsApp library.
package supervisor
