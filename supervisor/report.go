package supervisor

import (
	"time"

	"wasup/internal/session"
)

// Supervision is what the supervisor knows about the crashes of one session.
type Supervision struct {
	Status      session.Status
	Running     bool           // the session has an actor
	InWindow    int            // crashes within Config.Window before the last crash, that one included
	LastCrash   *session.Crash // nil: the session has not crashed
	LastCrashAt time.Time
	Quarantined bool
}

// Tree returns the supervision tree: every session with its state and its crashes, sorted by id.
func (s *Supervisor) Tree() []Supervision {
	statuses := s.List()
	tree := make([]Supervision, 0, len(statuses))
	for _, status := range statuses {
		e, ok := s.entry(status.ID)
		if !ok {
			continue
		}
		node := Supervision{}
		if report := e.report.Load(); report != nil {
			node = *report
		}
		node.Status, node.Running = status, e.handle.Load() != nil
		node.Quarantined = status.Cause == session.CauseQuarantined
		tree = append(tree, node)
	}
	return tree
}

// Waiting is the number of callers that wait for a code.
func (s *Supervisor) Waiting() int { return int(s.waiting.Load()) }

// InFlight is the number of inputs from WhatsApp clients that wait in mailboxes.
func (s *Supervisor) InFlight() int {
	sum := 0
	s.entries.Range(func(_, v any) bool {
		if e := v.(*entry); e.handle.Load() != nil {
			sum += e.core.InFlight()
		}
		return true
	})
	return sum
}
