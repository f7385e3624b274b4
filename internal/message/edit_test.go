package message_test

import (
	"errors"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

func TestWhatPhonesIgnoreIsNotEdited(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	of := func(kind message.Kind, state message.State, age time.Duration) message.Message {
		m := message.Message{Content: message.Content{Kind: kind}, State: state, CreatedAt: now.Add(-age)}
		if state == message.ServerAck || state == message.Read {
			m.AckedAt = now.Add(-age)
		}
		return m
	}
	for _, m := range []message.Message{
		of(message.KindText, message.ServerAck, 0), of(message.KindText, message.Read, 20*time.Minute),
		of(message.KindImage, message.Read, time.Minute), of(message.KindVideo, message.Read, time.Minute), of(message.KindDocument, message.Read, time.Minute),
		of(message.KindText, message.Queued, 24*time.Hour), // it leaves before its edit
	} {
		if err := m.CheckEdit(now); err != nil {
			t.Errorf("%s, %s: %v", m.Content.Kind, m.State, err)
		}
	}
	for _, m := range []message.Message{
		of(message.KindText, message.ServerAck, 20*time.Minute+time.Second), of(message.KindImage, message.Read, time.Hour),
		of(message.KindPoll, message.Read, 0), of(message.KindAudio, message.Read, 0), of(message.KindSticker, message.Read, 0),
		of(message.KindReaction, message.Read, 0), of(message.KindRevoke, message.Read, 0),
		of(message.KindText, message.Failed, 0), of(message.KindText, message.Cancelled, 0),
	} {
		var refused *session.Error
		if err := m.CheckEdit(now); !errors.As(err, &refused) || refused.Code != session.CodeInvalidRequest || refused.Field != "target.id" {
			t.Errorf("%s, %s of %s: %v", m.Content.Kind, m.State, m.AckedAt, err)
		}
	}
}
