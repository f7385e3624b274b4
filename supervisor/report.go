package supervisor

import (
	"time"

	"wasup/internal/session"
)

// Supervision is what the supervisor knows of one session's failures.
type Supervision struct {
	Status      session.Status
	Running     bool           // an actor runs for it
	InWindow    int            // supervised failures within the restart intensity's window, as of the last one
	LastCrash   *session.Crash // nil: it has not crashed
	LastCrashAt time.Time
	Quarantined bool
}

// Tree is the supervision tree: every session with its state and its failures, by id.
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

// Waiting is how many callers wait for a code now.
func (s *Supervisor) Waiting() int { return int(s.waiting.Load()) }

// InFlight is how many events of WhatsApp clients wait in mailboxes now.
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
