// Package supervisor spawns one actor per WhatsApp session and restarts an actor that crashes, without effect on the
// others. It is the facade through which the rest of the process reaches sessions.
//
// Only this package knows that a session lives in this process. Callers see ids and typed answers. The package must not
// know HTTP, SQL or the WhatsApp library.
package supervisor
