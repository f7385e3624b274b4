package events

import (
	"bytes"
	"context"
	"encoding/json"

	"wasup/internal/events"
)

// pieces writes a large event piece by piece. It holds one piece, so that a caller that reads slowly holds no more, and
// reads the event again for the next one.
type pieces struct {
	event events.Event // without its data
	size  int          // of the data
	at    int          // how much of it was handed out
	piece []byte
}

func newPieces(event *events.Event) *pieces {
	p := &pieces{event: *event, size: len(event.Data)}
	p.event.Data = nil
	p.cut(event.Data)
	return p
}

// cut takes the next piece out of the data.
func (p *pieces) cut(data json.RawMessage) {
	p.piece = bytes.Clone(data[p.at:min(p.at+events.ChunkBytes, len(data))])
	// A line must not end within the data. In JSON, such characters can only stand between tokens.
	for i, c := range p.piece {
		if c == '\n' || c == '\r' {
			p.piece[i] = ' '
		}
	}
	p.at += len(p.piece)
}

// next returns the pieces with the next one loaded.
func (p *pieces) next(ctx context.Context, sub Subscription) (*pieces, error) {
	event, err := sub.Again(ctx, p.event.Pos)
	if err != nil {
		return nil, err
	}
	if len(event.Data) != p.size {
		return nil, events.ErrOvertaken
	}
	p.cut(event.Data)
	return p, nil
}

// first says that the piece is the first one, and last that it is the last one.
func (p *pieces) first() bool { return p.at == len(p.piece) }
func (p *pieces) last() bool  { return p.at == p.size }

// around returns what comes before and after the data in the JSON of the event.
func (p *pieces) around() (head, tail []byte, err error) {
	const nothing = "null}"
	whole := frame(&p.event)
	whole.Data = json.RawMessage("null")
	text, err := json.Marshal(whole)
	if err != nil {
		return nil, nil, err
	}
	return bytes.TrimSuffix(text, []byte(nothing)), []byte("}"), nil
}
