package supervision

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	yesNo := func() *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean} }
	return []rest.Operation{
		{
			Method: fiber.MethodGet, Path: "/v1/supervision", Name: "getSupervision", Tag: rest.TagSupervision, Summary: "Get the supervision tree",
			Query: append(rest.Paging(),
				rest.Parameter{Name: "quarantined", Doc: "Only sessions that are in quarantine, or only those that are not.", Schema: yesNo()},
				rest.Parameter{Name: "crashed", Doc: "Only sessions that crashed since the process started, or only those that did not.", Schema: yesNo()}),
			Status: fiber.StatusOK, Answer: v1Supervision{}, Success: "A page of the tree. The counts include all sessions.", Serve: r.list,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/supervision/:id", Name: "getSupervised", Tag: rest.TagSupervision, Summary: "Get a session's supervision",
			Detail: "With its last crash and the stack.",
			Status: fiber.StatusOK, Answer: v1Supervised{}, Success: "The node.", Refuses: []int{404}, Serve: r.get,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/supervision/:id/release", Name: "releaseSession", Tag: rest.TagSupervision, Summary: "Release a session from quarantine",
			Detail: "Restarts the session. Idempotent: a session that is not in quarantine stays as it is.",
			Status: fiber.StatusOK, Answer: v1Supervised{}, Success: "The node.", Refuses: []int{404, 504}, Serve: r.releaseSession,
		},
	}
}
