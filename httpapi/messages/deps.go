package messages

import (
	"context"
	"io"
	"time"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Outbox is the outbox. Every method is safe for concurrent use; errors carry a session.Code, and a message that the
// session does not have is session.CodeUnknownMessage.
type Outbox interface {
	// Enqueue commits a message and returns it as it is stored. existed: the session already had one with this key and
	// the same body; another body is session.CodeIdempotencyReuse. The session must exist and need not be READY.
	Enqueue(ctx context.Context, request message.Request) (msg message.Message, existed bool, err error)
	// Known gives the message that Enqueue would answer the request's key with, by what the request's Fingerprint says of
	// its content; false where Enqueue would accept a new one.
	Known(ctx context.Context, request message.Request) (msg message.Message, known bool, err error)
	// Wait returns the message once it has reached the state, can come no further by itself, or ctx has ended; the last
	// is no error: its state says how far it is.
	Wait(ctx context.Context, id session.ID, messageID string, until message.State) (message.Message, error)
	Message(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// List is a page of a session's messages, newest first. next is the cursor of the one after, "" on the last. A cursor
	// that is none is session.CodeInvalidRequest with Field cursor.
	List(ctx context.Context, id session.ID, filter message.Filter) (page []message.Message, next string, err error)
	// Cancel takes back a message that is still queued; session.CodeWrongState afterwards. Cancelled already is no error.
	Cancel(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// Requeue queues a message that failed once more, under the same id. session.CodeWrongState where that makes no sense.
	Requeue(ctx context.Context, id session.ID, messageID string) (message.Message, error)
}

// Files keeps the files of outgoing messages on disk. Every method is safe for concurrent use; errors carry a
// session.Code. A Media that comes back has File, Mime, Size and SHA256, and what else the bytes tell.
type Files interface {
	// Put streams r to the disk. session.CodeMediaTooLarge beyond the limit, session.CodeStoreFull where the disk is full;
	// an error of r is returned as it is. Nothing is left behind after an error.
	Put(ctx context.Context, r io.Reader, hint message.FileHint) (message.Media, error)
	// Fetch is Put of what http or https address gives: session.CodeFetchRefused, session.CodeFetchFailed.
	Fetch(ctx context.Context, address string, hint message.FileHint) (message.Media, error)
	// Use gives an uploaded file another name, for one message to own; the upload itself stays, for other messages, until
	// it expires. session.CodeMediaGone where there is none of this name, whatever the name is.
	Use(ctx context.Context, file string) (message.Media, error)
	// Remove deletes a file that no message took after all. One that is not there is no error.
	Remove(file string) error
}

// Resource serves the operations of this package.
type Resource struct {
	host   *rest.Host
	outbox Outbox
	files  Files
	keep   time.Duration // how long a file that was uploaded stays unless a message takes it
}

// New makes the resource.
func New(host *rest.Host, outbox Outbox, files Files, keep time.Duration) *Resource {
	return &Resource{host, outbox, files, keep}
}
