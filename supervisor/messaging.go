package supervisor

import (
	"context"
	"os"
	"time"

	"wasup/actors"
	"wasup/internal/session"
)

// fetchBound is how long a file may take to come from WhatsApp: 2 GB at 4 MB a second.
const fetchBound = 10 * time.Minute

// MarkRead tells the sender, and the account's other devices, that messages were read or played.
func (s *Supervisor) MarkRead(ctx context.Context, id session.ID, mark session.ReadMark) error {
	_, err := useReady(ctx, s, id, "MarkRead", 0, func(ctx context.Context, client session.Client) (struct{}, error) {
		return struct{}{}, client.MarkRead(ctx, mark)
	})
	return err
}

// SetChatState shows the other side that the account is typing, recording, or has paused.
func (s *Supervisor) SetChatState(ctx context.Context, id session.ID, chat session.Recipient, state session.ChatState) error {
	_, err := useReady(ctx, s, id, "SetChatState", 0, func(ctx context.Context, client session.Client) (struct{}, error) {
		return struct{}{}, client.SetChatState(ctx, chat, state)
	})
	return err
}

// CheckContacts asks WhatsApp which phone numbers have an account, at most 100 at a time, answered in the order of the
// question. It asks each time; the room contacts remembers and paces.
func (s *Supervisor) CheckContacts(ctx context.Context, id session.ID, phones []string) ([]session.Contact, error) {
	return useReady(ctx, s, id, "CheckContacts", 0, func(ctx context.Context, client session.Client) ([]session.Contact, error) {
		return client.CheckContacts(ctx, phones)
	})
}

// FetchMedia downloads, verifies and decrypts a file into to, which is empty before and complete after it. A caller
// that leaves early may close the file: the download ends then.
func (s *Supervisor) FetchMedia(ctx context.Context, id session.ID, file session.Remote, to *os.File) error {
	_, err := useReady(ctx, s, id, "FetchMedia", fetchBound, func(ctx context.Context, client session.Client) (struct{}, error) {
		return struct{}{}, client.FetchMedia(ctx, file, to)
	})
	return err
}

// useReady runs something against the client of a READY session. It starts nothing. What is done ends with the caller's
// ctx, the bound (0: the actor's own) or the client's run, whichever is first. Errors beside those of do: CodeNotFound,
// CodeNotReady, CodeQueueFull, CodeTimeout, CodeRestarted, CodeShuttingDown, CodeQuarantined.
func useReady[R any](ctx context.Context, s *Supervisor, id session.ID, name string, bound time.Duration, do func(context.Context, session.Client) (R, error)) (result R, err error) {
	if s.env.Draining.Load() {
		return result, shuttingDown(id)
	}
	if _, known := s.entry(id); !known {
		return result, notFound(id)
	}
	h, err := s.readyHandle(id)
	if err != nil {
		return result, err
	}
	used, err := actors.Ask[actors.Used](ctx, s.env.System, h.pid, actors.UseClient{
		Name: name, In: session.Ready, Bound: bound,
		Do: func(run context.Context, client session.Client) (any, error) {
			run, cancel := context.WithCancel(run)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			return do(run, client)
		},
	}, h.gone, s.forget(h))
	if err != nil {
		return result, s.unheard(ctx, name, id, err)
	}
	if used.Err != nil {
		return result, used.Err
	}
	result, _ = used.Value.(R) // do returned it
	return result, nil
}
