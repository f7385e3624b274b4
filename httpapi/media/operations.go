package media

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	return []rest.Operation{{
		Method: fiber.MethodGet, Path: "/v1/sessions/:id/media/:media", Name: "getMedia", Tag: rest.TagLive,
		Summary: "Download the file of an incoming message",
		Detail: "`content.media.id` of the message's event names the file. A kept file (media.keep_incoming) comes from the disk, in every state of the " +
			"session, and supports `Range`. Any other file is fetched from WhatsApp, verified and decrypted while you wait, so the session must be " +
			"READY; WhatsApp keeps files for some weeks. `X-Media-Kept` says kept, waiting, too_large, unwanted (its kind is not kept) or failed. " +
			"`ETag` is the file's SHA-256. If it matches `If-None-Match`, nothing is fetched.",
		Places:   []rest.Parameter{{Name: "media", Doc: "The file's id, from the event of its message.", Schema: rest.ShortText(128)}},
		Produces: []string{rest.ContentAny}, Status: fiber.StatusOK, Success: "The file.", Also: rest.Also{Unchanged: true, Partial: true},
		Headers: []rest.Parameter{
			{Name: fiber.HeaderRange, Doc: "One part of a kept file, as bytes=FROM-TO. The answer is the whole file if several parts are asked for, or if the file is not kept.", Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: fiber.HeaderIfRange, Doc: "The answer is the part if this is the file's ETag, else the whole file.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Refuses: []int{404, 409, 410, 416, 429, 502, 504}, Serve: r.media,
	}}
}
