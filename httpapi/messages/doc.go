// Package messages is the part of /v1 that accepts messages and files to send, and shows the state of messages.
//
// It reads bodies as they arrive. A file goes to the disk without being held in memory, also if it is base64 in a JSON
// body.
package messages
