package webhooks

// The JSON of webhooks, as tests read it.
type (
	Webhook     = v1Webhook
	List        = v1WebhookList
	Attempt     = v1WebhookDelivery
	Attempts    = v1WebhookDeliveries
	DeadLetters = v1DeadLetters
	Count       = v1Count
	Replayed    = v1Replayed
)

// What they look for in it.
const (
	Delivering  = hookDelivering
	Failing     = hookFailing
	Paused      = hookPaused
	ShownHeader = shownHeader
)
