// Package webhooks delivers the events of the durable log to registered URLs: at least once, in order for each webhook
// and session, signed according to Standard Webhooks.
//
// It owns the rules of the registry, the schedule of attempts and the HTTP requests. The store has a cursor for each
// webhook and session. A cursor moves only after the receiver has accepted an event, so a killed process skips nothing.
// One goroutine, the loop, decides which lane sends next. Other goroutines, the turns, send. The package may not write
// to the log, and it knows neither HTTP routes nor WhatsApp.
package webhooks
