// Package actors holds the session actor and the future it is asked through.
//
// The actor is a thin shell around session.Machine: it steps the machine with what happened, runs the effects in
// goroutines off its mailbox, and answers those who wait. It knows no HTTP, no SQL and no WhatsApp library; they reach
// it through the ports of package session and those declared here. Only the supervisor spawns it.
package actors
