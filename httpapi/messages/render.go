package messages

import (
	"wasup/httpapi/wire"
	"wasup/internal/message"
	"wasup/internal/session"
)

func messageOf(m *message.Message) wire.Message {
	out := wire.Message{
		ID: m.ID, SessionID: string(m.Session), To: string(m.To), Kind: wire.Kind(m.Content.Kind), State: wire.MessageState(m.State),
		Key: m.Key, Attempts: m.Attempts, CanRequeue: m.CanRequeue,
		CreatedAt: wire.Stamp(m.CreatedAt), UpdatedAt: wire.Stamp(m.UpdatedAt), SendAt: wire.Stamp(m.SendAt), ExpiresAt: wire.Stamp(m.ExpiresAt),
		AckedAt: wire.Stamp(m.AckedAt), DeliveredAt: wire.Stamp(m.DeliveredAt), ReadAt: wire.Stamp(m.ReadAt), PlayedAt: wire.Stamp(m.PlayedAt),
	}
	if m.Failure != (message.Failure{}) {
		out.Cause = wire.Code(m.Failure.Code)
		out.Error = (&session.Error{Code: m.Failure.Code, Message: m.Failure.Message}).Public()
	}
	if !m.State.Settled() || m.CanRequeue {
		content := wire.Content(m.Content)
		out.Content = &content
	}
	for _, r := range m.Receipts {
		out.Receipts = append(out.Receipts, wire.Receipt{
			Recipient: r.Recipient, Device: r.Device,
			DeliveredAt: wire.Stamp(r.DeliveredAt), ReadAt: wire.Stamp(r.ReadAt), PlayedAt: wire.Stamp(r.PlayedAt),
		})
	}
	return out
}

// hostOf returns the present state of a message's session, nil if the session no longer exists.
func (r *Resource) hostOf(id session.ID) *wire.MessageHost {
	status, ok := r.host.Sessions.Status(id)
	if !ok {
		return nil
	}
	return &wire.MessageHost{State: wire.State(status.State), Cause: wire.Cause(status.Cause), CanSend: status.CanSend()}
}
