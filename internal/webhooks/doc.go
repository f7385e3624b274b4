// Package webhooks delivers the events of the durable log to the addresses that people register: in order for each
// webhook and session, at least once, signed as Standard Webhooks says.
//
// It owns the registry's rules, the schedule of attempts and the HTTP requests. How far each webhook has come with each
// session is a cursor in the store, which moves only once a receiver has accepted an event, so that a process that is
// killed at any moment skips nothing. One goroutine, the loop, decides who may send next; others send. It may not write
// to the log, and it knows neither HTTP routes nor WhatsApp.
package webhooks
