// Package webhooks is the part of /v1 that registers webhooks and shows what became of their deliveries.
package webhooks
