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

// Received has the files of incoming messages. Errors carry a session.Code: CodeMediaGone if there is no such file, or
// no longer; other codes if the session cannot fetch the file now.
type Received interface {
	// Describe returns what is known about a file. It does not fetch the file.
	Describe(ctx context.Context, id session.ID, media string) (message.Media, error)
	// Kept returns the state of a file, and the file itself if it is on the disk.
	Kept(ctx context.Context, id session.ID, media string) (KeptFile, error)
	// Fetch fetches a file from WhatsApp and returns its content and its size in bytes. The caller closes the content.
	Fetch(ctx context.Context, id session.ID, file message.Media) (io.ReadCloser, int64, error)
}

// KeptFile is a file that was selected for keeping, and its state.
type KeptFile struct {
	File  io.ReadSeekCloser // the caller closes it; nil: the file is not on the disk
	Size  int64             // bytes
	State string            // kept, waiting, too_large, unwanted or failed; "": never selected, or deleted
}

// Resource serves the operations of this package.
type Resource struct {
	host     *rest.Host
	received Received
}

// New makes the resource.
func New(host *rest.Host, received Received) *Resource { return &Resource{host, received} }

// headerKept is the header with the state of a file that was selected for keeping.
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

// serveFetched serves a file from WhatsApp.
func (r *Resource) serveFetched(k *rest.Call, file message.Media) error {
	// Each part would need another download of the whole file.
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

// serveKept serves a file from the disk, or the requested part of it.
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

// rangeOf reads a Range header with one part (RFC 9110, 14.1.2). The part is cut at the end of the file. Its length is
// 0 or less if the file has none of its bytes. false: the whole file must be served, because there is no Range, it has
// several parts, or it is invalid.
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

// extensions are the file name extensions for files that phones send without a name. The system's own table is not used,
// because it differs between machines.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4", "video/3gpp": ".3gp",
	"audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr", "application/pdf": ".pdf",
}

// setFileHeaders sets the headers that describe a file. The sender of a file cannot be trusted: a browser may show
// images, audio and video, but must not run anything as a page of this origin.
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
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	// The file never changes, but each request must be authorized again.
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
}

// timedBody is the body of a file. It extends the write deadline before each piece, so that each piece has WriteTimeout.
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
