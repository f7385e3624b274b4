// Package soak proves that no message is lost and none is sent twice: it runs wasup as a child process against a sandbox,
// sends messages both ways at a rate, kills the child at random moments (kill -9) and breaks the network meanwhile, and
// compares in the end what was asked for with what the phones and a webhook receiver got.
//
// It owns the load, the chaos and the comparison. It speaks to wasup over HTTP only, as a user does.
package soak
