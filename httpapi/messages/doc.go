// Package messages is the part of /v1 that takes messages to send, with their files, and shows what became of them.
//
// Bodies are read as they arrive: a file goes to the disk without being held in memory, whether it is a part of a form or
// base64 in a JSON body.
package messages
