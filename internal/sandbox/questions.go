package sandbox

import (
	"context"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
)

// ask sends an iq from the server and waits for the client's answer.
func (c *conn) ask(ctx context.Context, node waBinary.Node) (*waBinary.Node, error) {
	id := stanza.NewID()
	node.Attrs["id"] = id
	node.Attrs["from"] = types.ServerJID
	answer := c.questions.add(id)
	defer c.questions.remove(id)
	c.Send(node)
	select {
	case got := <-answer:
		return got, nil
	case <-c.gone:
		// A client that refuses answers and disconnects. Its answer came first, so return it.
		select {
		case got := <-answer:
			return got, nil
		default:
			return nil, ErrClientGone
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// questions holds the queries of the server that a client has not answered yet.
type questions struct {
	mu      sync.Mutex
	waiting map[string]chan *waBinary.Node
}

func (q *questions) add(id string) <-chan *waBinary.Node {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = make(map[string]chan *waBinary.Node)
	}
	answer := make(chan *waBinary.Node, 1)
	q.waiting[id] = answer
	return answer
}

func (q *questions) remove(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, id)
}

// answer passes an answer to the caller of ask that waits for it.
func (q *questions) answer(node *waBinary.Node) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if waiting, ok := q.waiting[stanza.Attr(node, "id")]; ok {
		delete(q.waiting, stanza.Attr(node, "id"))
		waiting <- node
	}
}
