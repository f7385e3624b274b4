// Package sessions is the part of /v1 that creates, lists, updates and deletes sessions, and starts and stops them.
package sessions
