package messages

import (
	"context"
	"io"
	"time"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Outbox stores outgoing messages. Every method is safe for concurrent use. Errors carry a session.Code; the code of a
// message that the session does not have is session.CodeUnknownMessage.
type Outbox interface {
	// Enqueue commits a message and returns it as it is stored. existed reports that the session already had a message
	// with this key and the same body. The same key with another body is session.CodeIdempotencyReuse. The session must
	// exist, but need not be READY.
	Enqueue(ctx context.Context, request message.Request) (msg message.Message, existed bool, err error)
	// Known returns the message that Enqueue would return for the request's key. It compares the content by the
	// request's Fingerprint. It returns false if Enqueue would accept a new message.
	Known(ctx context.Context, request message.Request) (msg message.Message, known bool, err error)
	// Wait returns the message when it has reached the state, when its state will not change any more without help, or
	// when ctx ends. The end of ctx is no error.
	Wait(ctx context.Context, id session.ID, messageID string, until message.State) (message.Message, error)
	Message(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// List returns a page of a session's messages, newest first. next is the cursor of the next page, "" on the last
	// one. An invalid cursor is session.CodeInvalidRequest with Field cursor.
	List(ctx context.Context, id session.ID, filter message.Filter) (page []message.Message, next string, err error)
	// Cancel cancels a message that is still queued, or held. Later it is session.CodeWrongState. It is no error if the message
	// is cancelled already.
	Cancel(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// Requeue queues a failed or held message again, under the same id. A message that cannot be queued again is
	// session.CodeWrongState. It is no error if the message is queued already.
	Requeue(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// RequeueHeld queues all held messages of a session again, and CancelHeld cancels them. They return how many. After an
	// error, a repeated call continues.
	RequeueHeld(ctx context.Context, id session.ID) (int, error)
	CancelHeld(ctx context.Context, id session.ID) (int, error)
}

// Files stores the files of outgoing messages on the disk. Every method is safe for concurrent use. Errors carry a
// session.Code. A returned Media has File, Mime, Size and SHA256, and whatever else can be read from the bytes.
type Files interface {
	// Put streams r to the disk. A file beyond the limit is session.CodeMediaTooLarge, a full disk
	// session.CodeStoreFull. An error of r is returned as it is. After an error, nothing is left on the disk.
	Put(ctx context.Context, r io.Reader, hint message.FileHint) (message.Media, error)
	// Fetch downloads the file at an http or https URL and stores it like Put. It also returns session.CodeFetchRefused
	// and session.CodeFetchFailed.
	Fetch(ctx context.Context, address string, hint message.FileHint) (message.Media, error)
	// Use gives an uploaded file a second name, which belongs to one message. The upload itself stays for other messages
	// until it expires. If there is no upload of this name, or the name is invalid, it is session.CodeMediaGone.
	Use(ctx context.Context, file string) (message.Media, error)
	// Remove deletes a file that no message uses. It is no error if the file does not exist.
	Remove(file string) error
}

// Resource serves the operations of this package.
type Resource struct {
	host   *rest.Host
	outbox Outbox
	files  Files
	keep   time.Duration // how long an uploaded file is kept
}

// New makes the resource.
func New(host *rest.Host, outbox Outbox, files Files, keep time.Duration) *Resource {
	return &Resource{host, outbox, files, keep}
}
