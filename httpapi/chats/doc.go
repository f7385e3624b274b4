// Package chats is the part of /v1 for requests to WhatsApp other than messages: marking as read, presence, contacts.
package chats
