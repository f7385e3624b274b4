// Package contacts looks up which phone numbers have a WhatsApp account.
//
// It owns the cache of WhatsApp's answers and the rate limit of each session: WhatsApp restricts accounts that look up
// too many numbers. It does not know WhatsApp itself: a session.Door asks WhatsApp on its behalf.
package contacts
