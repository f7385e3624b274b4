// Package chats is the part of /v1 that tells WhatsApp things beside messages, and asks it: read marks, presence, contacts.
package chats
