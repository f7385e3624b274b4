// Package webhooks is the part of /v1 that registers webhooks and shows the results of their deliveries.
package webhooks
