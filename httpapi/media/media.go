package media

import (
	"context"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Received is the files of incoming messages. Errors carry a session.Code: CodeMediaGone where there is none, or none any
// more; those of a session that cannot fetch now.
type Received interface {
	// Describe gives what is known of a file without fetching it.
	Describe(ctx context.Context, id session.ID, media string) (message.Media, error)
	// Kept gives a file as it is kept on disk, and what became of it; without a File where it is not there.
	Kept(ctx context.Context, id session.ID, media string) (KeptFile, error)
	// Fetch gives the file's bytes and how many they are. The caller closes them.
	Fetch(ctx context.Context, id session.ID, file message.Media) (io.ReadCloser, int64, error)
}

// KeptFile is what became of a file that was to be kept.
type KeptFile struct {
	File  io.ReadSeekCloser // nil where it is not kept; the caller closes it
	Size  int64             // bytes
	State string            // kept, waiting, too_large, unwanted or failed; "" where it never was to be kept
}

// Resource serves the operations of this package.
type Resource struct {
	host     *rest.Host
	received Received
}

// New makes the resource.
func New(host *rest.Host, received Received) *Resource { return &Resource{host, received} }

// headerKept says what became of a file that was to be kept.
const headerKept = "X-Media-Kept"

// media is GET /v1/sessions/{id}/media/{media}.
func (r *Resource) media(k *rest.Call) error {
	if _, err := k.Known(); err != nil {
		return err
	}
	file, err := r.received.Describe(r.host.Life.Work(), k.ID, strings.Clone(k.Params("media")))
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
	held, err := r.received.Kept(r.host.Life.Work(), k.ID, file.ID)
	if err == nil {
		setFileHeaders(k.Ctx, &file)
		if held.State != "" {
			k.Set(headerKept, held.State)
		}
		if held.File != nil {
			err = serveKept(k, held, tag)
		} else {
			err = r.serveFetched(k, file)
		}
	}
	if err != nil {
		for _, name := range []string{fiber.HeaderETag, fiber.HeaderContentDisposition, fiber.HeaderContentSecurityPolicy, fiber.HeaderAcceptRanges} {
			k.Response().Header.Del(name)
		}
	}
	return err
}

// fetched serves a file from WhatsApp.
func (r *Resource) serveFetched(k *rest.Call, file message.Media) error {
	// Each part would be another download of the whole.
	k.Set(fiber.HeaderAcceptRanges, "none")
	if k.Method() == fiber.MethodHead {
		k.Response().SkipBody = true
		k.Response().Header.SetContentLength(int(file.Size))
		return nil
	}
	body, size, err := r.received.Fetch(r.host.Life.Work(), k.ID, file)
	if err != nil {
		return err
	}
	k.Status(fiber.StatusOK).Context().SetBodyStream(&timedBody{ReadCloser: body, conn: k.Context().Conn()}, int(size))
	return nil
}

// kept serves a file from the disk, or the part of it that is asked for.
func serveKept(k *rest.Call, held KeptFile, tag string) error {
	k.Set(fiber.HeaderAcceptRanges, "bytes")
	if k.Method() == fiber.MethodHead {
		_ = held.File.Close()
		k.Response().SkipBody = true
		k.Response().Header.SetContentLength(int(held.Size))
		return nil
	}
	piece, status := whole(held.Size), fiber.StatusOK
	if condition := k.Get(fiber.HeaderIfRange); condition == "" || condition == tag {
		asked, is := rangeOf(k.Get(fiber.HeaderRange), held.Size)
		switch {
		case is && asked.length <= 0:
			_ = held.File.Close()
			k.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", held.Size))
			return rest.HTTPProblem(rest.CodeRange, "")
		case is:
			piece, status = asked, fiber.StatusPartialContent
			k.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", asked.from, asked.from+asked.length-1, held.Size))
		}
	}
	if _, err := held.File.Seek(piece.from, io.SeekStart); err != nil {
		_ = held.File.Close()
		k.Response().Header.Del(fiber.HeaderContentRange)
		return &session.Error{Code: session.CodeStoreUnavailable, Op: "read kept file", Session: k.ID, Err: err}
	}
	body := struct {
		io.Reader
		io.Closer
	}{io.LimitReader(held.File, piece.length), held.File}
	k.Status(status).Context().SetBodyStream(&timedBody{ReadCloser: body, conn: k.Context().Conn()}, int(piece.length))
	return nil
}

// piece is a part of a file, in bytes.
type piece struct{ from, length int64 }

func whole(size int64) piece { return piece{0, size} }

// rangeOf reads a Range of one part (RFC 9110, 14.1.2), cut where the file ends; without a byte where the file has none of
// it. false: there is no Range that has to be followed, which is so for several parts and for what cannot be read, too.
func rangeOf(header string, size int64) (asked piece, is bool) {
	first, last, is := strings.Cut(strings.TrimSpace(header), "-")
	first, named := strings.CutPrefix(first, "bytes=")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !is || !named || first == "" && last == "" {
		return piece{}, false
	}
	from, to, suffix := uint64(0), uint64(math.MaxInt64), first == ""
	var err error
	if !suffix {
		if from, err = strconv.ParseUint(first, 10, 63); err != nil {
			return piece{}, false
		}
	}
	if last != "" {
		if to, err = strconv.ParseUint(last, 10, 63); err != nil || !suffix && to < from {
			return piece{}, false
		}
	}
	if suffix {
		length := min(size, int64(to))
		return piece{size - length, length}, true
	}
	return piece{int64(from), min(size-1, int64(to)) - int64(from) + 1}, true
}

func tagsOf(header string) []string {
	var all []string
	for each := range strings.SplitSeq(header, ",") {
		all = append(all, strings.TrimPrefix(strings.TrimSpace(each), "W/"))
	}
	return all
}

// endings are those of what phones send without a name. The machine's own table differs from machine to machine.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4", "video/3gpp": ".3gp",
	"audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr", "application/pdf": ".pdf",
}

// presented says what a file is. Its sender is a stranger: a browser may show pictures, sound and films, and gets nothing
// that it would run as a page of ours.
func setFileHeaders(c *fiber.Ctx, file *message.Media) {
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
		name = file.ID + extensions[kind]
	}
	c.Set(fiber.HeaderContentType, kind)
	c.Set(fiber.HeaderContentDisposition, mime.FormatMediaType(shown, map[string]string{"filename": name}))
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	// It never changes, but whoever may read it is decided anew each time.
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
}

// paced is a file on its way to a caller: each piece may take as long as a whole answer of another route.
type timedBody struct {
	io.ReadCloser
	conn net.Conn
}

func (p *timedBody) Read(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(rest.WriteTimeout)); err != nil {
		return 0, fmt.Errorf("the caller is gone: %w", err)
	}
	return p.ReadCloser.Read(b)
}
