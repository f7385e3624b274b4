package httpapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// The groups of the document.
const (
	tagSessions    = "sessions"
	tagLinking     = "linking"
	tagMessages    = "messages"
	tagLive        = "live"
	tagWebhooks    = "webhooks"
	tagSupervision = "supervision"
	tagDocument    = "document"
)

func (a *api) list() []operation {
	var all []operation
	all = append(all, a.sessionOperations()...)
	all = append(all, a.linkOperations()...)
	all = append(all, a.messageOperations()...)
	all = append(all, a.liveOperations()...)
	all = append(all, a.mediaOperations()...)
	all = append(all, a.webhookOperations()...)
	all = append(all, a.supervisionOperations()...)
	return append(all, a.documentOperations()...)
}

func (a *api) schema(v any) *huma.Schema { return a.registry.Schema(reflect.TypeOf(v), true, "") }

func shortText(most int) *huma.Schema { return &huma.Schema{Type: huma.TypeString, MaxLength: &most} }

func paging() []parameter {
	low, high := 1.0, float64(largestPage)
	return []parameter{
		{"limit", "Items on a page.", &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: defaultPage}},
		{"cursor", "The next_cursor of the page before.", shortText(200)},
	}
}

func waitFor(def string) parameter {
	return parameter{"wait", "How long to wait, such as 25s. " + def, shortText(20)}
}

func (a *api) sessionOperations() []operation {
	filters := append(paging(),
		parameter{"state", "Only sessions in this state.", a.schema(v1State(""))},
		parameter{"cause", "Only sessions with this cause.", a.schema(v1Cause(""))},
		parameter{"desired", "Only sessions that people asked this of.", a.schema(v1Desired(""))},
		parameter{"q", "Only sessions whose id or name begins with this, in any case.", shortText(100)},
	)
	all := []operation{
		{
			method: fiber.MethodPost, path: "/v1/sessions", name: "createSession", tag: tagSessions, summary: "create a session",
			detail: "The slot for one WhatsApp account. It is linked by a QR, a phone-number code or a passkey.",
			body:   v1SessionNew{}, optional: true, status: fiber.StatusCreated, answer: v1Session{}, success: "Created; `Location` is its address.",
			refuses: []int{409, 413, 415, 504}, serve: v1Create,
		},
		{
			method: fiber.MethodGet, path: "/v1/sessions", name: "listSessions", tag: tagSessions, summary: "list sessions",
			detail: "Sorted by id. Filters narrow it down together; `metadata.KEY=VALUE` takes any key, also several.",
			query:  filters, labels: true, status: fiber.StatusOK, answer: v1SessionList{}, success: "A page of sessions.", serve: v1List,
		},
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id", name: "getSession", tag: tagSessions, summary: "a session with its settings and status",
			status: fiber.StatusOK, answer: v1Session{}, success: "The session.", refuses: []int{404}, serve: v1Get,
		},
		{
			method: fiber.MethodPatch, path: "/v1/sessions/:id", name: "updateSession", tag: tagSessions, summary: "change a session's settings",
			detail: "A JSON merge patch (RFC 7396): what is left out stays. Another proxy restarts a session that runs.",
			body:   v1SessionPatch{}, status: fiber.StatusOK, answer: v1Session{}, success: "The session as it is now.",
			refuses: []int{404, 413, 415, 504}, serve: v1Patch,
		},
		{
			method: fiber.MethodDelete, path: "/v1/sessions/:id", name: "deleteSession", tag: tagSessions, summary: "log a session out and remove everything of it",
			detail: "Idempotent: a session that is not there has been deleted.",
			status: fiber.StatusNoContent, success: "It is gone.", refuses: []int{502, 504}, serve: v1Delete,
		},
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id/status", name: "getStatus", tag: tagSessions, summary: "where a session is; starts nothing",
			status: fiber.StatusOK, answer: v1Status{}, success: "The status.", refuses: []int{404}, serve: v1GetStatus,
		},
	}
	for _, v := range []operation{
		{name: "start", summary: "let a session run", detail: "Also takes back one that was stopped, gave up, or was taken over elsewhere.", serve: verb(v1Start)},
		{name: "stop", summary: "stop a session; its credentials stay", serve: verb(v1Stop)},
		{name: "restart", summary: "drop whatever a session does and begin again", detail: "Releases a quarantine too.", serve: verb(v1Restart)},
		{name: "logout", summary: "unlink the device and forget the credentials", detail: "The session stays, with its settings; a new code links it again.", serve: verb(v1Logout)},
	} {
		v.path, v.name = "/v1/sessions/:id/"+v.name, v.name+"Session"
		v.method, v.tag, v.status, v.answer = fiber.MethodPost, tagSessions, fiber.StatusOK, v1Status{}
		v.success, v.refuses = "The resulting status: `desired` is what was asked, `state` what is seen.", []int{404, 409, 504}
		v.detail = join(v.detail, "Idempotent, and possible from every state.")
		all = append(all, v)
	}
	return all
}

func join(parts ...string) string {
	out := ""
	for _, part := range parts {
		if part != "" && out != "" {
			out += " "
		}
		out += part
	}
	return out
}

func (a *api) linkOperations() []operation {
	return []operation{
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id/qr", name: "getQR", tag: tagLinking, summary: "wait for a code to scan",
			detail: "Starts the session if it rests, and answers as soon as there is an outcome: a code, or a problem with `outcome`, `state` " +
				"and `cause`. `Accept` chooses JSON, a PNG, an SVG, or text for a terminal; X-QR-Sequence and X-QR-Expires-At go with each.",
			query:    []parameter{waitFor("Default: qr.wait of the configuration.")},
			produces: []string{contentJSON, contentPNG, contentSVG, contentText},
			status:   fiber.StatusOK, answer: v1QRAnswer{}, success: "A code that can be scanned now.",
			refuses: []int{404, 409, 422, 429, 504}, serve: v1GetQR,
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/pairing-code", name: "createPairingCode", tag: tagLinking,
			summary: "a code to enter on the phone instead of scanning a QR",
			detail:  "Starts the session if it rests.",
			body:    v1PairingCodeAsk{}, status: fiber.StatusOK, answer: v1PairingCode{}, success: "The code.",
			refuses: []int{404, 409, 413, 415, 422, 429, 502, 504}, serve: v1PairingCodeFor,
		},
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id/passkey", name: "getPasskey", tag: tagLinking,
			summary: "what WhatsApp wants of the account's passkey",
			detail:  "Some accounts can only be linked with their passkey: `status.passkey` says so. 409 while WhatsApp has not asked.",
			status:  fiber.StatusOK, answer: v1Passkey{}, success: "The step that is due.", refuses: []int{404, 409}, serve: v1GetPasskey,
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/passkey/response", name: "answerPasskey", tag: tagLinking,
			summary: "hand over the authenticator's answer",
			detail:  "The PublicKeyCredential that navigator.credentials.get returned for the challenge, as its toJSON() writes it.",
			body:    v1Credential{}, status: fiber.StatusOK, answer: v1Status{}, success: "The status.",
			refuses: []int{404, 409, 413, 415, 422, 502, 504}, serve: v1PasskeyResponse,
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/passkey/confirmation", name: "confirmPasskey", tag: tagLinking,
			summary: "say that the codes of wasup and the phone are the same",
			status:  fiber.StatusOK, answer: v1Status{}, success: "The status.",
			refuses: []int{404, 409, 422, 502, 504}, serve: v1PasskeyConfirmation,
		},
	}
}

func (a *api) supervisionOperations() []operation {
	yesNo := func() *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean} }
	return []operation{
		{
			method: fiber.MethodGet, path: "/v1/supervision", name: "getSupervision", tag: tagSupervision, summary: "the supervision tree, with counts",
			query: append(paging(),
				parameter{"quarantined", "Only sessions that are in quarantine, or only those that are not.", yesNo()},
				parameter{"crashed", "Only sessions that crashed since the process started, or only those that did not.", yesNo()}),
			status: fiber.StatusOK, answer: v1Supervision{}, success: "A page of the tree. The counts are of all sessions.", serve: v1Tree,
		},
		{
			method: fiber.MethodGet, path: "/v1/supervision/:id", name: "getSupervised", tag: tagSupervision, summary: "one session's supervision, with its last crash and stack",
			status: fiber.StatusOK, answer: v1Supervised{}, success: "The node.", refuses: []int{404}, serve: v1Node,
		},
		{
			method: fiber.MethodPost, path: "/v1/supervision/:id/release", name: "releaseSession", tag: tagSupervision, summary: "take a session out of quarantine",
			detail: "Restarts it. Idempotent: a session that is not in quarantine stays as it is.",
			status: fiber.StatusOK, answer: v1Supervised{}, success: "The node.", refuses: []int{404, 504}, serve: v1Release,
		},
	}
}

func (a *api) documentOperations() []operation {
	return []operation{
		{
			method: fiber.MethodGet, path: "/openapi.json", name: "getOpenAPI", tag: tagDocument, summary: "this document",
			produces: []string{contentJSON}, status: fiber.StatusOK, success: "OpenAPI 3.1.", probe: true, serve: getOpenAPIJSON,
		},
		{
			method: fiber.MethodGet, path: "/openapi.yaml", name: "getOpenAPIYAML", tag: tagDocument, summary: "this document, in YAML",
			produces: []string{contentYAML}, status: fiber.StatusOK, success: "OpenAPI 3.1.", probe: true, serve: getOpenAPIYAML,
		},
		{
			method: fiber.MethodGet, path: "/docs", name: "getDocs", tag: tagDocument, summary: "a page for people; needs no internet",
			produces: []string{contentHTML}, status: fiber.StatusOK, success: "HTML.", probe: true, serve: page("docs/index.html", contentHTML),
		},
		{
			method: fiber.MethodGet, path: "/docs/docs.js", name: "getDocsScript", tag: tagDocument, summary: "the page's script",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("docs/docs.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/docs/docs.css", name: "getDocsStyle", tag: tagDocument, summary: "the page's style",
			produces: []string{contentStyle}, status: fiber.StatusOK, success: "CSS.", probe: true, serve: page("docs/docs.css", contentStyle),
		},
		{
			method: fiber.MethodGet, path: "/dashboard", name: "getDashboard", tag: tagDocument, summary: "a page for operators, over /v1; needs no internet",
			produces: []string{contentHTML}, status: fiber.StatusOK, success: "HTML.", probe: true, serve: page("dashboard/index.html", contentHTML),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/dashboard.js", name: "getDashboardScript", tag: tagDocument, summary: "its script",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("dashboard/dashboard.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/page.js", name: "getDashboardPage", tag: tagDocument, summary: "what its scripts share",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("dashboard/page.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/log.js", name: "getDashboardLog", tag: tagDocument, summary: "its script: what happens",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("dashboard/log.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/messages.js", name: "getDashboardMessages", tag: tagDocument, summary: "its script: messages",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("dashboard/messages.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/passkey.js", name: "getDashboardPasskey", tag: tagDocument, summary: "its script: passkeys",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("dashboard/passkey.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/webhooks.js", name: "getDashboardWebhooks", tag: tagDocument, summary: "its script: webhooks",
			produces: []string{contentScript}, status: fiber.StatusOK, success: "JavaScript.", probe: true, serve: page("dashboard/webhooks.js", contentScript),
		},
		{
			method: fiber.MethodGet, path: "/dashboard/dashboard.css", name: "getDashboardStyle", tag: tagDocument, summary: "its style",
			produces: []string{contentStyle}, status: fiber.StatusOK, success: "CSS.", probe: true, serve: page("dashboard/dashboard.css", contentStyle),
		},
	}
}
