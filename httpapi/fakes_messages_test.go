package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"wasup/internal/session"
)

// scriptedMessages answers in the place of the outbox, the files on disk and WhatsApp.
type scriptedMessages struct {
	enqueue func(ctx context.Context, request session.MessageRequest) (session.Message, bool, error)
	known   func(request session.MessageRequest) (session.Message, bool, error)
	wait    func(ctx context.Context, id session.ID, messageID string, until session.MessageState) (session.Message, error)
	message func(verb string, id session.ID, messageID string) (session.Message, error)
	page    func(filter session.MessageFilter) ([]session.Message, string, error)
	fetch   func(address string) (string, error)
	chat    func(what string, id session.ID, value any) error
	check   func(phones []string) ([]session.Contact, error)

	files *folder
}

// folder keeps files in memory.
type folder struct {
	mu      sync.Mutex
	bytes   map[string][]byte
	removed []string
	limit   int64
	broken  error
}

func (f *folder) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for name := range f.bytes {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (f *scriptedMessages) Enqueue(ctx context.Context, request session.MessageRequest) (session.Message, bool, error) {
	return f.enqueue(ctx, request)
}

func (f *scriptedMessages) Known(_ context.Context, request session.MessageRequest) (session.Message, bool, error) {
	if f.known == nil {
		return session.Message{}, false, nil
	}
	return f.known(request)
}

func (f *scriptedMessages) Wait(ctx context.Context, id session.ID, messageID string, until session.MessageState) (session.Message, error) {
	return f.wait(ctx, id, messageID, until)
}

func (f *scriptedMessages) Message(_ context.Context, id session.ID, messageID string) (session.Message, error) {
	return f.message("get", id, messageID)
}

func (f *scriptedMessages) Cancel(_ context.Context, id session.ID, messageID string) (session.Message, error) {
	return f.message("cancel", id, messageID)
}

func (f *scriptedMessages) Requeue(_ context.Context, id session.ID, messageID string) (session.Message, error) {
	return f.message("requeue", id, messageID)
}

// messages is the outbox as the routes want it: the sessions have a List of their own.
type messages struct{ *scripted }

func (m messages) List(_ context.Context, _ session.ID, filter session.MessageFilter) ([]session.Message, string, error) {
	return m.page(filter)
}

func (f *scriptedMessages) Put(_ context.Context, r io.Reader, hint session.FileHint) (session.Media, error) {
	content, err := io.ReadAll(r)
	switch {
	case err != nil:
		return session.Media{}, err
	case f.files.broken != nil:
		return session.Media{}, f.files.broken
	case f.files.limit > 0 && int64(len(content)) > f.files.limit:
		return session.Media{}, &session.Error{Code: session.CodeMediaTooLarge, Op: "keep a file"}
	case len(content) == 0:
		return session.Media{}, &session.Error{Code: session.CodeInvalidRequest, Op: "keep a file", Field: "file", Message: "file: expected at least one byte"}
	}
	return f.files.keep(content, hint), nil
}

func (f *folder) keep(content []byte, hint session.FileHint) session.Media {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := fmt.Sprintf("f%d", len(f.bytes)+len(f.removed)+1)
	f.bytes[name] = content
	sum := sha256.Sum256(content)
	media := session.Media{File: name, Mime: "application/octet-stream", Name: hint.Name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	// The bytes of these tests say what they are: image/png|…
	if kind, _, says := strings.Cut(string(content), "|"); says {
		media.Mime = kind
		media.Cut = strings.HasSuffix(string(content), "…")
	} else if hint.Mime != "" {
		media.Mime = hint.Mime
	}
	return media
}

func (f *scriptedMessages) Fetch(ctx context.Context, address string, hint session.FileHint) (session.Media, error) {
	content, err := f.fetch(address)
	if err != nil {
		return session.Media{}, err
	}
	return f.Put(ctx, strings.NewReader(content), hint)
}

func (f *scriptedMessages) Use(_ context.Context, file string) (session.Media, error) {
	f.files.mu.Lock()
	content, ok := f.files.bytes[file]
	f.files.mu.Unlock()
	if !ok {
		return session.Media{}, &session.Error{Code: session.CodeMediaGone, Op: "use a file"}
	}
	return f.files.keep(content, session.FileHint{}), nil
}

func (f *scriptedMessages) Remove(file string) error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	delete(f.files.bytes, file)
	f.files.removed = append(f.files.removed, file)
	return nil
}

func (f *scriptedMessages) MarkRead(_ context.Context, id session.ID, mark session.ReadMark) error {
	return f.chat("read", id, mark)
}

func (f *scriptedMessages) SetChatState(_ context.Context, id session.ID, chat session.Recipient, state session.ChatState) error {
	return f.chat(string(state), id, chat)
}

func (f *scriptedMessages) CheckContacts(_ context.Context, _ session.ID, phones []string) ([]session.Contact, error) {
	return f.check(phones)
}
