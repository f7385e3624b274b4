// Package outgoing keeps the files of outgoing messages between the request that brings one and the moment WhatsApp has it.
//
// It owns a folder on disk, the spool: how a file gets into it (streamed, whole or not at all), what is known of it (type,
// size, hash, dimensions, duration, thumbnail), and when it goes. It also fetches files from addresses that strangers
// give, and reaches no network that they must not reach through it. It knows no message, no session and no WhatsApp.
package outgoing
