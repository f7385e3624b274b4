package sessions

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
)

// unlinkNote documents what an answer says about the device on the phone.
func unlinkNote(where string) string {
	return where + " is `pending` while WhatsApp has not unlinked the device: one that is not connected is unlinked in the background, " +
		"for up to 7 days, and the phone lists it until then. It is `by_phone` if a person has to remove the device on the phone, " +
		"because another process uses its credentials."
}

// Operations are the rows of the resource.
func (r *Resource) Operations(schema func(any) *huma.Schema) []rest.Operation {
	filters := append(rest.Paging(),
		rest.Parameter{Name: "state", Doc: "Only sessions in this state.", Schema: schema(wire.State(""))},
		rest.Parameter{Name: "cause", Doc: "Only sessions with this cause.", Schema: schema(wire.Cause(""))},
		rest.Parameter{Name: "desired", Doc: "Only sessions with this desired state.", Schema: schema(wire.Desired(""))},
		rest.Parameter{Name: "q", Doc: "Only sessions whose id or name begins with this, in any case.", Schema: rest.ShortText(100)},
	)
	all := []rest.Operation{
		{
			Method: fiber.MethodPost, Path: "/v1/sessions", Name: "createSession", Tag: rest.TagSessions, Summary: "Create a session",
			Detail: "A session is the slot for one WhatsApp account. It is linked by a QR, a phone-number code or a passkey.",
			Body:   v1SessionNew{}, Input: rest.Input{Optional: true}, Status: fiber.StatusCreated, Answer: wire.Session{}, Success: "Created; `Location` is its address.",
			Refuses: []int{409, 413, 415, 504}, Serve: r.create,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions", Name: "listSessions", Tag: rest.TagSessions, Summary: "List sessions",
			Detail: "Sorted by id. A session must match all filters. `metadata.KEY=VALUE` takes any key, and may be given several times.",
			Query:  filters, Labels: true, Status: fiber.StatusOK, Answer: v1SessionList{}, Success: "A page of sessions.", Serve: r.list,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id", Name: "getSession", Tag: rest.TagSessions, Summary: "Get a session",
			Status: fiber.StatusOK, Answer: wire.Session{}, Success: "The session.", Refuses: []int{404}, Serve: r.get,
		},
		{
			Method: fiber.MethodPatch, Path: "/v1/sessions/:id", Name: "updateSession", Tag: rest.TagSessions, Summary: "Update a session",
			Detail: "Takes a JSON merge patch (RFC 7396): fields that are left out stay. A new proxy restarts a running session.",
			Body:   v1SessionPatch{}, Status: fiber.StatusOK, Answer: wire.Session{}, Success: "The session as it is now.",
			Refuses: []int{404, 413, 415, 504}, Serve: r.patch,
		},
		{
			Method: fiber.MethodDelete, Path: "/v1/sessions/:id", Name: "deleteSession", Tag: rest.TagSessions, Summary: "Delete a session",
			Detail: "Logs the session out and deletes everything it stores. Idempotent: 204 also if there is no such session. " + unlinkNote("The header X-Unlink"),
			Status: fiber.StatusNoContent, Success: "It is gone.", Refuses: []int{502, 504}, Serve: r.delete,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/status", Name: "getStatus", Tag: rest.TagSessions, Summary: "Get a session's status",
			Detail: "Starts nothing.",
			Status: fiber.StatusOK, Answer: wire.Status{}, Success: "The status.", Refuses: []int{404}, Serve: r.getStatus,
		},
	}
	for _, v := range []rest.Operation{
		{Name: "start", Summary: "Start a session", Detail: "Works too if the session was stopped, gave up, or lost its connection to another process (cause replaced).", Serve: r.verb(r.start)},
		{Name: "stop", Summary: "Stop a session", Detail: "Its credentials stay.", Serve: r.verb(r.stop)},
		{Name: "restart", Summary: "Restart a session", Detail: "Closes the session's connection and begins again. Releases it from quarantine too.", Serve: r.verb(r.restart)},
		{Name: "logout", Summary: "Log a session out", Detail: "Unlinks the device and deletes the credentials. The session and its settings stay; a new code links it again. " + unlinkNote("`unlink`"), Serve: r.verb(r.logout)},
	} {
		v.Path, v.Name = "/v1/sessions/:id/"+v.Name, v.Name+"Session"
		v.Method, v.Tag, v.Status, v.Answer = fiber.MethodPost, rest.TagSessions, fiber.StatusOK, wire.Status{}
		v.Success, v.Refuses = "The status afterwards: `desired` is what was asked for, `state` is the observed state.", []int{404, 409, 504}
		v.Detail = rest.Join(v.Detail, "Idempotent, and allowed in every state.")
		all = append(all, v)
	}
	return all
}
