// Package incoming downloads the files of incoming messages and keeps them on disk. It decides which files to download
// and when, how many at a time, when to give one up, and which ones to delete. It may import the vocabulary of the
// packages session and message. It knows neither HTTP nor SQL nor WhatsApp. Stop ends everything that it starts.
package incoming
