package supervision

import (
	"context"
	"time"

	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// Supervisor is the part of the supervisor that the resource needs. Both methods are safe for concurrent use. Errors
// carry a session.Code.
type Supervisor interface {
	// Tree returns the supervision tree, sorted by id.
	Tree() []Node
	// Restart restarts a session and releases it from quarantine.
	Restart(ctx context.Context, id session.ID) (session.Status, error)
}

// Node is one session in the supervision tree.
type Node struct {
	Status      session.Status
	Running     bool           // the session has an actor
	InWindow    int            // crashes within supervisor.window before the last crash, that one included
	LastCrash   *session.Crash // nil: the session has not crashed
	LastCrashAt time.Time
	Quarantined bool
}

// Resource serves the operations of this package.
type Resource struct {
	host       *rest.Host
	supervisor Supervisor
}

// New makes the resource.
func New(host *rest.Host, supervisor Supervisor) *Resource { return &Resource{host, supervisor} }

// list is GET /v1/supervision.
func (r *Resource) list(k *rest.Call) error {
	after, err := k.Cursor()
	if err != nil {
		return err
	}
	tree := r.supervisor.Tree()
	answer := v1Supervision{Counts: countsOf(tree)}
	matching := make([]*Node, 0, len(tree))
	for i := range tree {
		node := &tree[i]
		if want, given := k.Query["quarantined"]; given && (want == "true") != node.Quarantined {
			continue
		}
		if want, given := k.Query["crashed"]; given && (want == "true") != (node.LastCrash != nil) {
			continue
		}
		matching = append(matching, node)
	}
	page, next := rest.PageOf(matching, after, k.Integer("limit", rest.DefaultPage), func(n *Node) session.ID { return n.Status.ID })
	answer.Total, answer.NextCursor = len(matching), next
	answer.Items = make([]v1Supervised, 0, len(page))
	for _, node := range page {
		answer.Items = append(answer.Items, supervisedOf(node, false))
	}
	return k.OK(answer)
}

func countsOf(tree []Node) v1SupervisionCounts {
	counts := v1SupervisionCounts{Sessions: len(tree), States: make(map[string]int)}
	for _, state := range session.States() {
		counts.States[string(state)] = 0
	}
	for i := range tree {
		node := &tree[i]
		counts.States[string(node.Status.State)]++
		counts.Restarts += node.Status.Restarts
		if node.Running {
			counts.Running++
		}
		if node.Quarantined {
			counts.Quarantined++
		}
	}
	return counts
}

// get is GET /v1/supervision/{id}.
func (r *Resource) get(k *rest.Call) error {
	node, err := r.node(k)
	if err != nil {
		return err
	}
	return k.OK(supervisedOf(node, true))
}

func (r *Resource) node(k *rest.Call) (*Node, error) {
	tree := r.supervisor.Tree()
	for i := range tree {
		if tree[i].Status.ID == k.ID {
			return &tree[i], nil
		}
	}
	return nil, &session.Error{Code: session.CodeNotFound, Op: "find session", Session: k.ID}
}

// releaseSession is POST /v1/supervision/{id}/release. It does nothing to a session that is not in quarantine.
func (r *Resource) releaseSession(k *rest.Call) error {
	node, err := r.node(k)
	if err != nil {
		return err
	}
	if node.Quarantined {
		ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
		defer cancel()
		if _, err := r.supervisor.Restart(ctx, k.ID); err != nil {
			return err
		}
		if node, err = r.node(k); err != nil {
			return err
		}
	}
	return k.OK(supervisedOf(node, true))
}
