package httpapi

import (
	"context"

	"wasup/internal/session"
)

// v1Tree is GET /v1/supervision.
func v1Tree(s *Server, k *call) error {
	after, err := k.cursor()
	if err != nil {
		return err
	}
	tree := s.deps.Slots.Tree()
	answer := v1Supervision{Counts: countsOf(tree)}
	matching := make([]*SupervisionNode, 0, len(tree))
	for i := range tree {
		node := &tree[i]
		if want, given := k.query["quarantined"]; given && (want == "true") != node.Quarantined {
			continue
		}
		if want, given := k.query["crashed"]; given && (want == "true") != (node.LastCrash != nil) {
			continue
		}
		matching = append(matching, node)
	}
	page, next := pageOf(matching, after, k.integer("limit", defaultPage), func(n *SupervisionNode) session.ID { return n.Status.ID })
	answer.Total, answer.NextCursor = len(matching), next
	answer.Items = make([]v1Supervised, 0, len(page))
	for _, node := range page {
		answer.Items = append(answer.Items, v1SupervisedOf(node, false))
	}
	return s.ok(k.Ctx, answer)
}

func countsOf(tree []SupervisionNode) v1SupervisionCounts {
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

// v1Node is GET /v1/supervision/{id}.
func v1Node(s *Server, k *call) error {
	node, err := s.node(k)
	if err != nil {
		return err
	}
	return s.ok(k.Ctx, v1SupervisedOf(node, true))
}

func (s *Server) node(k *call) (*SupervisionNode, error) {
	tree := s.deps.Slots.Tree()
	for i := range tree {
		if tree[i].Status.ID == k.id {
			return &tree[i], nil
		}
	}
	return nil, &session.Error{Code: session.CodeNotFound, Op: "find session", Session: k.id}
}

// v1Release is POST /v1/supervision/{id}/release. A session that is not quarantined has been released already.
func v1Release(s *Server, k *call) error {
	node, err := s.node(k)
	if err != nil {
		return err
	}
	if node.Quarantined {
		ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
		defer cancel()
		if _, err := s.deps.Slots.Restart(ctx, k.id); err != nil {
			return err
		}
		if node, err = s.node(k); err != nil {
			return err
		}
	}
	return s.ok(k.Ctx, v1SupervisedOf(node, true))
}
