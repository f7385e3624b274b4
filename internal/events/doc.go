// Package events owns what is told about sessions to those who follow them: the types of events and the JSON of each
// (dto.go), the durable log, its readers, its retention, and the files that events carry. Log reads and hands on; Feed brings in what actors publish, without making them wait;
// Retention keeps the log short. It may import the vocabulary of sessions and messages; it knows neither HTTP nor actors nor
// SQL, and what it starts is ended by Stop.
package events
