package webhooks

// The types of the webhooks' JSON, for tests.
type (
	Webhook     = v1Webhook
	List        = v1WebhookList
	Attempt     = v1WebhookDelivery
	Attempts    = v1WebhookDeliveries
	DeadLetters = v1DeadLetters
	Count       = v1Count
	Replayed    = v1Replayed
)

// Values that tests check.
const (
	Delivering  = hookDelivering
	Failing     = hookFailing
	Paused      = hookPaused
	ShownHeader = shownHeader
)
