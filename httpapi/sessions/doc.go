// Package sessions is the part of /v1 that makes, lists, changes and deletes sessions, and starts and stops them.
package sessions
