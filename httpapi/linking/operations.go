package linking

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
)

func waitFor(def string) rest.Parameter {
	return rest.Parameter{Name: "wait", Doc: "How long to wait, such as 25s. " + def, Schema: rest.ShortText(20)}
}

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	return []rest.Operation{
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/qr", Name: "getQR", Tag: rest.TagLinking, Summary: "Get a QR code",
			Detail: "Starts the session if it is not running, and answers as soon as there is an outcome: a code, or a problem with `outcome`, `state` " +
				"and `cause`. `Accept` chooses JSON, a PNG, an SVG, or text for a terminal. Each has the headers X-QR-Sequence and X-QR-Expires-At.",
			Query:    []rest.Parameter{waitFor("Default: qr.wait of the configuration.")},
			Produces: []string{rest.ContentJSON, rest.ContentPNG, rest.ContentSVG, rest.ContentText},
			Status:   fiber.StatusOK, Answer: v1QRAnswer{}, Success: "A code that can be scanned now.",
			Refuses: []int{404, 409, 422, 429, 504}, Starts: true, Serve: r.getQR,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/pairing-code", Name: "createPairingCode", Tag: rest.TagLinking,
			Summary: "Get a pairing code",
			Detail:  "A code to enter on the phone instead of scanning a QR, valid until `expires_at` (about 160 seconds). Starts the session if it is not running, and connects anew if it has shown QRs for a while. A later request replaces the code.",
			Body:    v1PairingCodeAsk{}, Status: fiber.StatusOK, Answer: v1PairingCode{}, Success: "The code.",
			Refuses: []int{404, 409, 413, 415, 422, 429, 502, 504}, Serve: r.pairingCodeFor,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/passkey", Name: "getPasskey", Tag: rest.TagLinking,
			Summary: "Get the passkey challenge",
			Detail:  "Some accounts can only be linked with their passkey: `status.passkey` says so. 409 if WhatsApp has not asked for the passkey.",
			Status:  fiber.StatusOK, Answer: v1Passkey{}, Success: "The step that is next.", Refuses: []int{404, 409}, Serve: r.getPasskey,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/passkey/response", Name: "answerPasskey", Tag: rest.TagLinking,
			Summary: "Answer the passkey challenge",
			Detail:  "Takes the PublicKeyCredential that navigator.credentials.get returned for the challenge, in the form of its toJSON().",
			Body:    v1Credential{}, Status: fiber.StatusOK, Answer: wire.Status{}, Success: "The status.",
			Refuses: []int{404, 409, 413, 415, 422, 429, 502, 504}, Serve: r.passkeyResponse,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/passkey/confirmation", Name: "confirmPasskey", Tag: rest.TagLinking,
			Summary: "Confirm the passkey code",
			Detail:  "Confirms that wasup and the phone show the same code.",
			Status:  fiber.StatusOK, Answer: wire.Status{}, Success: "The status.",
			Refuses: []int{404, 409, 422, 429, 502, 504}, Serve: r.passkeyConfirmation,
		},
	}
}
