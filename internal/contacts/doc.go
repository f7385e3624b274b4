// Package contacts answers which phone numbers have a WhatsApp account.
//
// It owns what is remembered of WhatsApp's answers and how often WhatsApp is asked: accounts that look up too many numbers
// are restricted. It knows no WhatsApp; whoever runs the sessions asks for it.
package contacts
