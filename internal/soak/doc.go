// Package soak tests that no message is lost or sent twice. It runs wasup as a child process against a sandbox and
// sends messages in both directions at a fixed rate. Meanwhile it kills the child at random moments (kill -9) and
// breaks the network. At the end it compares the messages that were sent with those that phones and a webhook receiver
// got.
//
// The package owns the load, the kills and faults, and the comparison. It uses wasup over HTTP only, as a user does.
package soak
