package rest

import (
	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// statuses maps the error codes of package session to the statuses of /v1.
var statuses = map[session.Code]int{
	session.CodeInvalidRequest:   fiber.StatusBadRequest,
	session.CodeNotFound:         fiber.StatusNotFound,
	session.CodeNotReady:         fiber.StatusConflict,
	session.CodeTooManyWaiters:   fiber.StatusTooManyRequests,
	session.CodeQueueFull:        fiber.StatusTooManyRequests,
	session.CodeTimeout:          fiber.StatusGatewayTimeout,
	session.CodeShuttingDown:     fiber.StatusServiceUnavailable,
	session.CodeSendFailed:       fiber.StatusBadGateway,
	session.CodeAckOverdue:       fiber.StatusGatewayTimeout,
	session.CodeRestricted:       fiber.StatusConflict,
	session.CodeNotOnWhatsApp:    fiber.StatusUnprocessableEntity,
	session.CodeUnsupported:      fiber.StatusUnprocessableEntity,
	session.CodeIdempotencyReuse: fiber.StatusUnprocessableEntity,
	session.CodeStoreUnavailable: fiber.StatusServiceUnavailable,
	session.CodeStoreFull:        fiber.StatusInsufficientStorage,
	session.CodeStoreLocked:      fiber.StatusServiceUnavailable,
	session.CodeConnectFailed:    fiber.StatusBadGateway,
	session.CodeConnectRefused:   fiber.StatusBadGateway,
	session.CodeDisconnected:     fiber.StatusBadGateway,
	session.CodeRestarted:        fiber.StatusServiceUnavailable,
	session.CodeQuarantined:      fiber.StatusConflict,
	session.CodeExists:           fiber.StatusConflict,
	session.CodeWrongState:       fiber.StatusConflict,
	session.CodePairingRefused:   fiber.StatusUnprocessableEntity,
	session.CodeClientOutdated:   fiber.StatusServiceUnavailable,
	session.CodeProxyFailed:      fiber.StatusBadGateway,
	session.CodeUnknownMessage:   fiber.StatusNotFound, session.CodeUnknownWebhook: fiber.StatusNotFound,
	session.CodeTooManyWebhooks: fiber.StatusConflict,
	session.CodeExpired:         fiber.StatusGone, session.CodeMediaGone: fiber.StatusGone,
	session.CodeRateLimited: fiber.StatusTooManyRequests, session.CodeMediaTooLarge: fiber.StatusRequestEntityTooLarge,
	session.CodeMediaFull:    fiber.StatusInsufficientStorage,
	session.CodeFetchRefused: fiber.StatusUnprocessableEntity, session.CodeFetchFailed: fiber.StatusBadGateway,
	session.CodeUploadFailed: fiber.StatusBadGateway, session.CodeOutcomeUnknown: fiber.StatusBadGateway, session.CodeUntrusted: fiber.StatusBadGateway,
	session.CodeUnavailable: fiber.StatusServiceUnavailable,
	session.CodeInternal:    fiber.StatusInternalServerError,
}
