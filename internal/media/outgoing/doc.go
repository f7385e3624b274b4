// Package outgoing stores the files of outgoing messages, from the request with the file until WhatsApp has it.
//
// It owns a folder on disk. It streams files into the folder, each completely or not at all, inspects them
// (type, size, hash, dimensions, duration, thumbnail), and deletes them when nobody needs them. It also downloads files
// from URLs in requests, and does not let these reach private networks. It knows no session's state, and no WhatsApp.
package outgoing
