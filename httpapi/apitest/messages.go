package apitest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"wasup/internal/message"
	"wasup/internal/session"
)

// scriptedMessages replaces the outbox, the files on the disk and WhatsApp.
type scriptedMessages struct {
	Enqueuing func(ctx context.Context, request message.Request) (message.Message, bool, error)
	Knowing   func(request message.Request) (message.Message, bool, error)
	Waiting   func(ctx context.Context, id session.ID, messageID string, until message.State) (message.Message, error)
	About     func(verb string, id session.ID, messageID string) (message.Message, error)
	Pages     func(filter message.Filter) ([]message.Message, string, error)
	Fetching  func(address string) (string, error)
	Chatting  func(what string, id session.ID, value any) error
	Checking  func(phones []string) ([]message.Contact, error)

	Folder *Folder
}

// Folder keeps files in memory.
type Folder struct {
	mu      sync.Mutex
	Bytes   map[string][]byte
	removed []string
	Limit   int64
	Broken  error
}

// Names lists the files in the folder.
func (f *Folder) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for name := range f.Bytes {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (f *scriptedMessages) Enqueue(ctx context.Context, request message.Request) (message.Message, bool, error) {
	return f.Enqueuing(ctx, request)
}

func (f *scriptedMessages) Known(_ context.Context, request message.Request) (message.Message, bool, error) {
	if f.Knowing == nil {
		return message.Message{}, false, nil
	}
	return f.Knowing(request)
}

func (f *scriptedMessages) Wait(ctx context.Context, id session.ID, messageID string, until message.State) (message.Message, error) {
	return f.Waiting(ctx, id, messageID, until)
}

func (f *scriptedMessages) Message(_ context.Context, id session.ID, messageID string) (message.Message, error) {
	return f.About("get", id, messageID)
}

func (f *scriptedMessages) Cancel(_ context.Context, id session.ID, messageID string) (message.Message, error) {
	return f.About("cancel", id, messageID)
}

func (f *scriptedMessages) Requeue(_ context.Context, id session.ID, messageID string) (message.Message, error) {
	return f.About("requeue", id, messageID)
}

func (f *scriptedMessages) RequeueHeld(_ context.Context, id session.ID) (int, error) {
	return f.heldOf("requeue held", id)
}

func (f *scriptedMessages) CancelHeld(_ context.Context, id session.ID) (int, error) {
	return f.heldOf("cancel held", id)
}

// heldOf counts the one held message that About knows under this word.
func (f *scriptedMessages) heldOf(word string, id session.ID) (int, error) {
	if _, err := f.About(word, id, ""); err != nil {
		return 0, err
	}
	return 1, nil
}

// messages adapts Scripted to the outbox. It is a type of its own, because the sessions have another List.
type messages struct{ *Scripted }

func (m messages) List(_ context.Context, _ session.ID, filter message.Filter) ([]message.Message, string, error) {
	return m.Pages(filter)
}

func (f *scriptedMessages) Put(_ context.Context, r io.Reader, hint message.FileHint) (message.Media, error) {
	content, err := io.ReadAll(r)
	switch {
	case err != nil:
		return message.Media{}, err
	case f.Folder.Broken != nil:
		return message.Media{}, f.Folder.Broken
	case f.Folder.Limit > 0 && int64(len(content)) > f.Folder.Limit:
		return message.Media{}, &session.Error{Code: session.CodeMediaTooLarge, Op: "keep a file"}
	case len(content) == 0:
		return message.Media{}, &session.Error{Code: session.CodeInvalidRequest, Op: "keep a file", Field: "file", Message: "file: expected at least one byte"}
	}
	return f.Folder.keep(content, hint), nil
}

func (f *Folder) keep(content []byte, hint message.FileHint) message.Media {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := fmt.Sprintf("f%d", len(f.Bytes)+len(f.removed)+1)
	f.Bytes[name] = content
	sum := sha256.Sum256(content)
	media := message.Media{File: name, Mime: "application/octet-stream", Name: hint.Name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	// In these tests a file begins with its type: image/png|…
	if kind, _, says := strings.Cut(string(content), "|"); says {
		media.Mime = kind
		media.Cut = strings.HasSuffix(string(content), "…")
	} else if hint.Mime != "" {
		media.Mime = hint.Mime
	}
	return media
}

func (f *scriptedMessages) Fetch(ctx context.Context, address string, hint message.FileHint) (message.Media, error) {
	content, err := f.Fetching(address)
	if err != nil {
		return message.Media{}, err
	}
	return f.Put(ctx, strings.NewReader(content), hint)
}

func (f *scriptedMessages) Use(_ context.Context, file string) (message.Media, error) {
	f.Folder.mu.Lock()
	content, ok := f.Folder.Bytes[file]
	f.Folder.mu.Unlock()
	if !ok {
		return message.Media{}, &session.Error{Code: session.CodeMediaGone, Op: "use a file"}
	}
	return f.Folder.keep(content, message.FileHint{}), nil
}

func (f *scriptedMessages) Remove(file string) error {
	f.Folder.mu.Lock()
	defer f.Folder.mu.Unlock()
	delete(f.Folder.Bytes, file)
	f.Folder.removed = append(f.Folder.removed, file)
	return nil
}

// door adapts Scripted to session.Door. It is a type of its own, because uploads have another Use.
type door struct{ *Scripted }

func (d door) Use(_ context.Context, id session.ID, use session.Use) (any, error) {
	switch question := use.Question.(type) {
	case message.ReadMark:
		return session.None{}, d.Chatting("read", id, question)
	case message.Typing:
		return session.None{}, d.Chatting(string(question.State), id, question.Chat)
	default:
		return nil, fmt.Errorf("nobody asks for %s here", use.Verb)
	}
}

func (f *scriptedMessages) CheckContacts(_ context.Context, _ session.ID, phones []string) ([]message.Contact, error) {
	return f.Checking(phones)
}
