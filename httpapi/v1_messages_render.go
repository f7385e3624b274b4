package httpapi

import "wasup/internal/session"

func (s *Server) v1MessageOf(m *session.Message) v1Message {
	out := v1Message{
		ID: m.ID, SessionID: string(m.Session), To: string(m.To), Kind: v1Kind(m.Content.Kind), State: v1MessageState(m.State),
		Key: m.Key, Attempts: m.Attempts, CanRequeue: m.CanRequeue,
		CreatedAt: stamp(m.CreatedAt), UpdatedAt: stamp(m.UpdatedAt), SendAt: stamp(m.SendAt), ExpiresAt: stamp(m.ExpiresAt),
		AckedAt: stamp(m.AckedAt), DeliveredAt: stamp(m.DeliveredAt), ReadAt: stamp(m.ReadAt), PlayedAt: stamp(m.PlayedAt),
	}
	if m.Failure != (session.MessageFailure{}) {
		out.Cause = v1Code(m.Failure.Code)
		out.Error = (&session.Error{Code: m.Failure.Code, Message: m.Failure.Message}).Public()
	}
	if !m.State.Settled() || m.CanRequeue {
		content := v1Content(m.Content)
		out.Content = &content
	}
	for _, r := range m.Receipts {
		out.Receipts = append(out.Receipts, v1Receipt{
			Recipient: v1Address(r.Recipient), Device: r.Device,
			DeliveredAt: stamp(r.DeliveredAt), ReadAt: stamp(r.ReadAt), PlayedAt: stamp(r.PlayedAt),
		})
	}
	return out
}

// hostOf is the session of a message at this moment, nil where there is none any more.
func (s *Server) hostOf(id session.ID) *v1MessageHost {
	status, ok := s.deps.Sessions.Status(id)
	if !ok {
		return nil
	}
	return &v1MessageHost{State: v1State(status.State), Cause: v1Cause(status.Cause), CanSend: status.CanSend()}
}
