// Package actors holds the session actor, and Ask, which sends an actor a message and waits for the answer.
//
// The actor is a thin shell around session.Machine. It steps the machine with each input, runs the effects in goroutines
// off its mailbox, and answers waiting callers. The package knows no HTTP, no SQL and no WhatsApp library: it uses the
// interfaces of package session and those declared here. Only the supervisor spawns the actor.
package actors
