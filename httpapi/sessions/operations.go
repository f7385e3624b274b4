package sessions

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
)

// Operations are the rows of the resource.
func (r *Resource) Operations(schema func(any) *huma.Schema) []rest.Operation {
	filters := append(rest.Paging(),
		rest.Parameter{Name: "state", Doc: "Only sessions in this state.", Schema: schema(wire.State(""))},
		rest.Parameter{Name: "cause", Doc: "Only sessions with this cause.", Schema: schema(wire.Cause(""))},
		rest.Parameter{Name: "desired", Doc: "Only sessions that people asked this of.", Schema: schema(wire.Desired(""))},
		rest.Parameter{Name: "q", Doc: "Only sessions whose id or name begins with this, in any case.", Schema: rest.ShortText(100)},
	)
	all := []rest.Operation{
		{
			Method: fiber.MethodPost, Path: "/v1/sessions", Name: "createSession", Tag: rest.TagSessions, Summary: "Create a session",
			Detail: "The slot for one WhatsApp account. It is linked by a QR, a phone-number code or a passkey.",
			Body:   v1SessionNew{}, Input: rest.Input{Optional: true}, Status: fiber.StatusCreated, Answer: wire.Session{}, Success: "Created; `Location` is its address.",
			Refuses: []int{409, 413, 415, 504}, Serve: r.create,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions", Name: "listSessions", Tag: rest.TagSessions, Summary: "List sessions",
			Detail: "Sorted by id. Filters narrow it down together; `metadata.KEY=VALUE` takes any key, also several.",
			Query:  filters, Labels: true, Status: fiber.StatusOK, Answer: v1SessionList{}, Success: "A page of sessions.", Serve: r.list,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id", Name: "getSession", Tag: rest.TagSessions, Summary: "Get a session",
			Status: fiber.StatusOK, Answer: wire.Session{}, Success: "The session.", Refuses: []int{404}, Serve: r.get,
		},
		{
			Method: fiber.MethodPatch, Path: "/v1/sessions/:id", Name: "updateSession", Tag: rest.TagSessions, Summary: "Update a session",
			Detail: "A JSON merge patch (RFC 7396): what is left out stays. Another proxy restarts a session that runs.",
			Body:   v1SessionPatch{}, Status: fiber.StatusOK, Answer: wire.Session{}, Success: "The session as it is now.",
			Refuses: []int{404, 413, 415, 504}, Serve: r.patch,
		},
		{
			Method: fiber.MethodDelete, Path: "/v1/sessions/:id", Name: "deleteSession", Tag: rest.TagSessions, Summary: "Delete a session",
			Detail: "Logs the session out and deletes everything it stores. Idempotent: 204 also where there is no such session.",
			Status: fiber.StatusNoContent, Success: "It is gone.", Refuses: []int{502, 504}, Serve: r.delete,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/status", Name: "getStatus", Tag: rest.TagSessions, Summary: "Get a session's status",
			Detail: "Starts nothing.",
			Status: fiber.StatusOK, Answer: wire.Status{}, Success: "The status.", Refuses: []int{404}, Serve: r.getStatus,
		},
	}
	for _, v := range []rest.Operation{
		{Name: "start", Summary: "Start a session", Detail: "Also one that was stopped, that gave up, or that was taken over elsewhere.", Serve: r.verb(r.start)},
		{Name: "stop", Summary: "Stop a session", Detail: "Its credentials stay.", Serve: r.verb(r.stop)},
		{Name: "restart", Summary: "Restart a session", Detail: "Drops whatever the session does and begins again. Releases a quarantine too.", Serve: r.verb(r.restart)},
		{Name: "logout", Summary: "Log a session out", Detail: "Unlinks the device and deletes the credentials. The session stays, with its settings; a new code links it again.", Serve: r.verb(r.logout)},
	} {
		v.Path, v.Name = "/v1/sessions/:id/"+v.Name, v.Name+"Session"
		v.Method, v.Tag, v.Status, v.Answer = fiber.MethodPost, rest.TagSessions, fiber.StatusOK, wire.Status{}
		v.Success, v.Refuses = "The resulting status: `desired` is what was asked, `state` what is seen.", []int{404, 409, 504}
		v.Detail = rest.Join(v.Detail, "Idempotent, and possible from every state.")
		all = append(all, v)
	}
	return all
}
