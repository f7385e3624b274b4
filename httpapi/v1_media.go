package httpapi

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/session"
)

// Received is the files of incoming messages. Errors carry a session.Code: CodeMediaGone where there is none, or none any
// more; those of a session that cannot fetch now.
type Received interface {
	// Describe gives what is known of a file without fetching it.
	Describe(ctx context.Context, id session.ID, media string) (session.Media, error)
	// Fetch gives the file's bytes and how many they are. The caller closes them.
	Fetch(ctx context.Context, id session.ID, file session.Media) (io.ReadCloser, int64, error)
}

// contentAny is the format of files, which have the type that their sender gave them.
const contentAny = "*/*"

func (a *api) mediaOperations() []operation {
	return []operation{{
		method: fiber.MethodGet, path: "/v1/sessions/:id/media/:media", name: "getMedia", tag: tagLive,
		summary: "the file of an incoming message",
		detail: "`content.media.id` of the message's event names it. It is fetched from WhatsApp, verified and decrypted while you wait, so the " +
			"session must be READY; WhatsApp keeps files for some weeks. `ETag` is the file's SHA-256: with `If-None-Match` nothing is fetched.",
		produces: []string{contentAny}, status: fiber.StatusOK, success: "The file.", unchanged: true,
		refuses: []int{404, 409, 410, 429, 502, 504}, serve: v1Media,
	}}
}

// v1Media is GET /v1/sessions/{id}/media/{media}.
func v1Media(s *Server, k *call) error {
	if _, err := s.known(k); err != nil {
		return err
	}
	file, err := s.deps.Received.Describe(s.work, k.id, strings.Clone(k.Params("media")))
	if err != nil {
		return err
	}
	tag := strconv.Quote(file.SHA256)
	if file.SHA256 != "" {
		k.Set(fiber.HeaderETag, tag)
		if slices.Contains(tagsOf(k.Get(fiber.HeaderIfNoneMatch)), tag) {
			k.Status(fiber.StatusNotModified)
			return nil
		}
	}
	presented(k.Ctx, &file)
	if k.Method() == fiber.MethodHead {
		k.Response().SkipBody = true
		k.Response().Header.SetContentLength(int(file.Size))
		return nil
	}
	body, size, err := s.deps.Received.Fetch(s.work, k.id, file)
	if err != nil {
		for _, name := range []string{fiber.HeaderETag, fiber.HeaderContentDisposition, fiber.HeaderContentSecurityPolicy} {
			k.Response().Header.Del(name)
		}
		return err
	}
	k.Status(fiber.StatusOK).Context().SetBodyStream(&paced{ReadCloser: body, conn: k.Context().Conn()}, int(size))
	return nil
}

func tagsOf(header string) []string {
	var all []string
	for each := range strings.SplitSeq(header, ",") {
		all = append(all, strings.TrimPrefix(strings.TrimSpace(each), "W/"))
	}
	return all
}

// endings are those of what phones send without a name. The machine's own table differs from machine to machine.
var endings = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4", "video/3gpp": ".3gp",
	"audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr", "application/pdf": ".pdf",
}

// presented says what a file is. Its sender is a stranger: a browser may show pictures, sound and films, and gets nothing
// that it would run as a page of ours.
func presented(c *fiber.Ctx, file *session.Media) {
	kind, _, err := mime.ParseMediaType(file.Mime)
	if err != nil || !strings.Contains(kind, "/") {
		kind = fiber.MIMEOctetStream
	}
	shown := "attachment"
	if strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/") || slices.Contains([]string{"image/jpeg", "image/png", "image/webp", "image/gif"}, kind) {
		shown = "inline"
	}
	name := path.Base(strings.ReplaceAll(file.Name, `\`, "/"))
	if file.Name == "" || name == "." || name == "/" {
		name = file.ID + endings[kind]
	}
	c.Set(fiber.HeaderContentType, kind)
	c.Set(fiber.HeaderContentDisposition, mime.FormatMediaType(shown, map[string]string{"filename": name}))
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	// It never changes, but whoever may read it is decided anew each time.
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
}

// paced is a file on its way to a caller: each piece may take as long as a whole answer of another route.
type paced struct {
	io.ReadCloser
	conn net.Conn
}

func (p *paced) Read(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, fmt.Errorf("the caller is gone: %w", err)
	}
	return p.ReadCloser.Read(b)
}
