// Package media is the part of /v1 that serves the files of incoming messages.
package media
